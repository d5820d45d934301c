// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/data_dir.hpp"
#include "core/dtype.hpp"
#include "core/json_reader.hpp"
#include "runtime/device_info.hpp"
#include "tests/collective_benchmarks.hpp"
#include "tests/kernel_benchmarks.hpp"

// Every measurement that the documents' claims need, of an operation that exists, is a point of the
// suite `planner`: claims/primitives.json against the sweeps.
namespace moecal::bench {
namespace {

using Json = nlohmann::json;
using Numbers = std::vector<std::int64_t>;

/// A point that is needed; an empty type stands for any.
struct Needed {
  Point point;
  std::string dtype{};
  double capacity = 0;
  int group = 1;
};

std::string described(const Needed& needed) {
  return Json(needed.point).dump() + " " + needed.dtype + " capacity " +
         std::to_string(needed.capacity) + " group " + std::to_string(needed.group);
}

/// A fit says what another number of rows takes, of weights that are measured.
constexpr std::int64_t kMostBetweenRows = 8;

bool near_rows(Point needed, const Case& c) {
  const auto wanted = needed.at("m"), found = c.point.at("m");
  needed["m"] = found;
  return c.point == needed && wanted <= kMostBetweenRows * found &&
         found <= kMostBetweenRows * wanted;
}

/// A message is rounded down to whole elements of every rank.
bool same_point(const Needed& needed, const Case& c) {
  if (needed.point.contains("m") && c.point.contains("m")) return near_rows(needed.point, c);
  if (!c.ranks.group || needed.group == 1) return c.point == needed.point;
  const auto wanted = needed.point.at("bytes"), found = c.point.at("bytes");
  return found <= wanted && wanted - found < needed.group * size_of(parse_dtype(c.dtypes.a));
}

bool covers(const Case& c, const Needed& needed) {
  return c.ranks.group == needed.group && c.routing.capacity_factor == needed.capacity &&
         (needed.dtype.empty() || c.dtypes.a == needed.dtype) && same_point(needed, c);
}

std::string gpu_backend(const Needed& needed) { return needed.group > 1 ? "nccl" : "cuda"; }

std::vector<std::string> missing_of(const Benchmark& benchmark, const std::vector<Needed>& all) {
  std::map<int, std::vector<Case>> sweeps;
  std::vector<std::string> missing;
  for (const auto& needed : all) {
    auto& cases = sweeps[needed.group];
    if (cases.empty()) cases = benchmark.sweep(Suite::planner, gpu_backend(needed), needed.group);
    if (std::none_of(cases.begin(), cases.end(), [&](const Case& c) { return covers(c, needed); }))
      missing.push_back(benchmark.operation() + " " + described(needed));
  }
  return missing;
}

std::string our_dtype(const std::string& written) {
  if (written == "fp16") return "f16";
  return written == "fp8" ? "fp8_e4m3" : written;
}

std::vector<std::string> dtypes_of(const Json& primitive) {
  std::vector<std::string> result;
  for (const auto& written : primitive["dtypes"]) result.push_back(our_dtype(written));
  return result;
}

/// A number, or a list of them.
Numbers numbers(const Json& value) {
  return value.is_array() ? value.get<Numbers>() : Numbers{value.get<std::int64_t>()};
}

/// "3h/tp" or "h" with h and tp; a number as it is.
std::int64_t size_of_layer(const std::string& term, std::int64_t h, std::int64_t tp) {
  const auto factor = term[0] == 'h' ? 1 : std::stoll(term);
  return factor * h / (term.ends_with("/tp") ? tp : 1);
}

using Weights = std::vector<std::pair<std::int64_t, std::int64_t>>;

Weights weights_of(const Json& shapes) {
  Weights result;
  for (const auto& pair : shapes["(n,k)"]) {
    if (pair.is_array()) {
      result.emplace_back(pair[0], pair[1]);
      continue;
    }
    const auto text = pair.get<std::string>();
    const auto comma = text.find(',');
    for (const auto h : numbers(shapes["h"]))
      for (const auto tp : numbers(shapes["tp"]))
        result.emplace_back(size_of_layer(text.substr(0, comma), h, tp),
                            size_of_layer(text.substr(comma + 1), h, tp));
  }
  return result;
}

std::vector<Needed> gemms_of(const Json& primitive) {
  std::vector<Point> points;
  const auto& shapes = primitive["shapes"];
  if (shapes.contains("(m,n,k)"))
    for (const auto& shape : shapes["(m,n,k)"])
      points.push_back({{"m", shape[0]}, {"n", shape[1]}, {"k", shape[2]}});
  if (shapes.contains("(n,k)"))
    for (const auto& [n, k] : weights_of(shapes))
      for (const auto m : numbers(shapes["m"])) points.push_back({{"m", m}, {"n", n}, {"k", k}});
  std::vector<Needed> needed;
  for (const auto& point : points)
    for (const auto& dtype : dtypes_of(primitive)) needed.push_back({point, dtype});
  return needed;
}

/// The selection, of logits of any type: their type is the router's business.
std::vector<Needed> gates_of(const Json& primitive) {
  const auto& shapes = primitive["shapes"];
  std::vector<Needed> needed;
  for (const auto tokens : numbers(shapes["tokens"]))
    for (const auto k : numbers(shapes["k"]))
      needed.push_back({{{"tokens", tokens}, {"experts", shapes["experts"]}, {"top_k", k}}});
  return needed;
}

/// The product that makes the logits.
std::vector<Needed> routers_of(const Json& primitive) {
  const auto& shapes = primitive["shapes"];
  std::vector<Needed> needed;
  for (const auto tokens : numbers(shapes["tokens"]))
    for (const auto hidden : numbers(shapes["hidden"]))
      for (const auto& dtype : dtypes_of(primitive))
        needed.push_back({{{"m", tokens}, {"n", shapes["experts"]}, {"k", hidden}}, dtype});
  return needed;
}

std::vector<Needed> permutes_of(const Json& primitive) {
  const auto& shapes = primitive["shapes"];
  std::vector<double> capacities;
  for (const auto& factor : shapes.value("capacity", Json{nullptr}))
    capacities.push_back(factor.is_null() ? 0 : factor.get<double>());
  std::vector<Needed> needed;
  for (const auto tokens : numbers(shapes["tokens"]))
    for (const auto k : numbers(shapes["k"]))
      for (const double capacity : capacities)
        for (const auto& dtype : dtypes_of(primitive))
          needed.push_back({{{"tokens", tokens},
                             {"hidden", shapes["hidden"]},
                             {"experts", shapes["experts"]},
                             {"top_k", k}},
                            dtype,
                            capacity});
  return needed;
}

/// Heads of keys that are not given are the queries'; "16/8 per TP rank" is all or an eighth.
std::vector<Needed> attentions_of(const Json& primitive) {
  const auto& shapes = primitive["shapes"];
  const auto heads = shapes["heads"].is_string() ? Numbers{16, 2} : numbers(shapes["heads"]);
  std::vector<Needed> needed;
  for (const auto batch : numbers(shapes["b"]))
    for (const auto sequence : numbers(shapes["s"]))
      for (const auto of_queries : heads)
        for (const auto of_keys : numbers(shapes.value("kv_heads", Json{of_queries})))
          for (const auto& dtype : dtypes_of(primitive))
            needed.push_back({{{"batch", batch},
                               {"sequence", sequence},
                               {"heads", of_queries},
                               {"kv_heads", of_keys},
                               {"head_size", shapes["head_dim"]},
                               {"causal", shapes["causal"].get<bool>() ? 1 : 0}},
                              dtype});
  return needed;
}

/// Sizes, of any payload: a build without NCCL sweeps one type.
std::vector<Needed> messages_of(const Json& primitive) {
  std::vector<Needed> needed;
  for (const auto bytes : numbers(primitive["bytes"]))
    needed.push_back({{{"bytes", bytes}}, "", 0, primitive.value("group", 1)});
  return needed;
}

// Copies of more than a gigabyte are the suite full's.
std::vector<Needed> transfers_of(const Json& primitive) {
  auto needed = messages_of(primitive);
  std::erase_if(needed, [](const Needed& one) { return one.point.at("bytes") > 1'000'000'000; });
  return needed;
}

struct Coverage {
  std::unique_ptr<Benchmark> (*make)();
  std::vector<Needed> (*needed_of)(const Json&);
};

const std::multimap<std::string, Coverage>& coverage() {
  static const std::multimap<std::string, Coverage> kCoverage{
      {"attention", {make_attention, attentions_of}},
      {"expert_gemm", {make_expert_gemm, gemms_of}},
      {"topk_gate", {make_topk_gate, gates_of}},
      {"topk_gate", {make_expert_gemm, routers_of}},
      {"permute", {make_permute, permutes_of}},
      {"host_transfer", {make_host_transfer, transfers_of}},
      {"memory_copy", {make_memory_copy, messages_of}},
      {"all_gather", {make_all_gather, messages_of}},
      {"all_reduce", {make_all_reduce, messages_of}},
      {"broadcast", {make_broadcast, messages_of}},
      {"reduce_scatter", {make_reduce_scatter, messages_of}},
      {"send_recv", {make_send_recv, messages_of}},
      {"all_to_all", {make_all_to_all, messages_of}}};
  return kCoverage;
}

Json primitives() {
  const auto path = data_path("claims/primitives.json");
  return parse_json(read_file(path), {path, 0})["primitives"];
}

TEST(Primitives, ThatAnOperationCanMeasureAreInThePlannerSuite) {
  std::set<std::string> measured;
  for (const auto& primitive : primitives()) {
    const auto [first, last] = coverage().equal_range(primitive["operation"]);
    for (auto one = first; one != last; ++one) {
      const auto needed = one->second.needed_of(primitive);
      EXPECT_FALSE(needed.empty()) << primitive["id"];
      EXPECT_THAT(missing_of(*one->second.make(), needed), testing::IsEmpty()) << primitive["id"];
      measured.insert(one->first);
    }
  }
  for (const auto& [operation, unused] : coverage())
    EXPECT_TRUE(measured.contains(operation)) << operation << " is in no primitive";
}

/// The (n, k) of a primitive's experts, however its keys name them.
Weights expert_weights_of(const Json& shapes) {
  Weights result;
  const auto append = [&](const Json& pairs) {
    for (const auto& pair : pairs) result.emplace_back(pair[0], pair[1]);
  };
  for (const auto& [key, value] : shapes.items()) {
    if (key.find("(n,k)") == std::string::npos) continue;
    if (value.is_array()) append(value);
    if (value.is_object())
      for (const auto& [tp, pairs] : value.items()) append(pairs);
  }
  return result;
}

bool multiplies(const Case& c, const std::pair<std::int64_t, std::int64_t>& weights) {
  return c.point.at("n") == weights.first && c.point.at("k") == weights.second;
}

// Experts' products are measured alone over their rows (expert_gemm), and of each layer some as one
// call of several groups: all group counts times all rows would be hours. The weights' type counts:
// an FP8 gradient is E5M2 by E4M3.
TEST(Primitives, OfGroupedProductsAreMeasuredAloneAndInGroups) {
  const auto alone = make_expert_gemm()->sweep(Suite::planner, "cuda", 1);
  const auto grouped = make_grouped_gemm()->sweep(Suite::planner, "cuda", 1);
  for (const auto& primitive : primitives()) {
    if (primitive["operation"] != "grouped_gemm") continue;
    const auto layers = expert_weights_of(primitive["shapes"]);
    for (const auto& dtype : dtypes_of(primitive))
      for (const auto& weights : layers)
        EXPECT_TRUE(std::any_of(
            alone.begin(), alone.end(),
            [&](const Case& c) { return multiplies(c, weights) && c.dtypes.b == dtype; }))
            << primitive["id"] << " " << weights.first << " x " << weights.second << " " << dtype;
    EXPECT_TRUE(layers.empty() ||
                std::any_of(grouped.begin(), grouped.end(),
                            [&](const Case& c) {
                              return std::any_of(
                                  layers.begin(), layers.end(), [&](const auto& weights) {
                                    return multiplies(c, weights) && c.point.at("groups") > 1;
                                  });
                            }))
        << primitive["id"];
  }
}

// Not a primitive's, but what a fit of them is divided by.
TEST(CopiesByTheCudaRuntime, RecordItsVersion) {
  if (!build::has_cuda) GTEST_SKIP() << "this build has no CUDA";
  const auto world = make_single_rank_plane();
  Context context{*world, 0};
  const std::map<std::string, std::unique_ptr<Benchmark> (*)()> copies{
      {"cuda_memcpy", make_memory_copy}, {"pinned_h2d", make_host_transfer}};
  for (const auto& [name, make] : copies) {
    const auto benchmark = make();
    const auto c = benchmark->sweep(Suite::quick, "cuda", 1).front();
    const auto library = benchmark->make_trial({name, "cuda"}, c, context)->library();
    EXPECT_EQ(library.runtime_version, cuda_runtime_version()) << name;
    EXPECT_FALSE(library.runtime_version.empty()) << name;
  }
}

/// An operation that gets a folder has to get its place above.
TEST(Primitives, OfOtherOperationsHaveNoFolder) {
  for (const auto& primitive : primitives()) {
    const auto operation = primitive["operation"].get<std::string>();
    if (coverage().contains(operation) || operation == "grouped_gemm") continue;
    for (const auto* kind : {"kernels/", "collectives/"})
      EXPECT_FALSE(std::filesystem::exists(MOECAL_SOURCE_DIR "/" + (kind + operation)))
          << primitive["id"];
  }
}

}  // namespace
}  // namespace moecal::bench
