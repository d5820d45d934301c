// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/suite_file.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <utility>

#include "core/dtype.hpp"
#include "core/join.hpp"
#include "core/json_reader.hpp"
#include "core/routing_loads.hpp"

namespace moecal::bench {
namespace {

using Words = std::initializer_list<std::string_view>;

/// A word that is left out is the fallback, which need not be among the words.
std::string read_word(const JsonReader& reader, const char* field, const std::string& fallback,
                      Words words) {
  auto word = reader.optional(field, fallback);
  if (word == fallback || std::find(words.begin(), words.end(), word) != words.end()) return word;
  reader.fail(field, "is '" + word + "'; there are: " + join(words));
}

std::string read_dtype(const JsonReader& reader, const char* role) {
  auto dtype = reader.optional<std::string>(role, "");
  try {
    if (!dtype.empty()) (void)parse_dtype(dtype);
  } catch (const InvalidInput& error) {
    reader.fail(role, std::string{"is wrong: "} + error.what());
  }
  return dtype;
}

Dtypes read_dtypes(const JsonReader& reader) {
  reader.allow_only({"a", "b", "c", "accumulate", "scale_mode", "layout"});
  const auto dtype = [&](const char* role) { return read_dtype(reader, role); };
  return {dtype("a"),
          dtype("b"),
          dtype("c"),
          dtype("accumulate"),
          read_word(reader, "scale_mode", "",
                    {"none", "tensor", "outer_vector", "block_1x128", "block_128x128", "mx"}),
          read_word(reader, "layout", "", {"TN", "NN", "NT"})};
}

Ranks read_ranks(const JsonReader& reader) {
  reader.allow_only({"world", "group", "placement", "concurrent_groups", "nodes", "tier"});
  Ranks ranks;
  ranks.world = reader.optional("world", ranks.world);
  ranks.group = reader.optional("group", ranks.group);
  ranks.placement = read_word(reader, "placement", ranks.placement, {"contiguous", "strided"});
  ranks.concurrent_groups = reader.optional("concurrent_groups", ranks.concurrent_groups);
  ranks.nodes = reader.optional("nodes", ranks.nodes);
  const std::pair<const char*, int> numbers[]{
      {"world", ranks.world}, {"group", ranks.group}, {"nodes", ranks.nodes}};
  for (const auto& [name, value] : numbers)
    if (value < 1) reader.fail(name, "is less than 1");
  ranks.tier = read_word(reader, "tier", ranks.tier, {"intra", "inter"});
  return ranks;
}

// "loads": the numbers, or the file that holds them, seen from the suite file's folder.
std::vector<double> read_loads(const JsonReader& reader, const std::string& suite) {
  if (!reader.has("loads")) return {};
  if (!reader.json().at("loads").is_string()) return reader.require<std::vector<double>>("loads");
  const std::filesystem::path named{reader.require<std::string>("loads")};
  return read_expert_loads(std::filesystem::path{suite}.parent_path() / named);
}

RoutingSpec read_routing(const JsonReader& reader, const std::string& suite) {
  reader.allow_only({"distribution", "seed", "exponent", "capacity_factor", "loads"});
  RoutingSpec routing;
  routing.distribution =
      read_word(reader, "distribution", routing.distribution,
                {"uniform", "balanced", "power_law", "power_law_loads", "recorded"});
  routing.seed = reader.optional("seed", routing.seed);
  routing.exponent = reader.optional("exponent", routing.exponent);
  routing.capacity_factor = reader.optional("capacity_factor", routing.capacity_factor);
  routing.loads = read_loads(reader, suite);
  check_routing_loads(reader, routing.distribution, routing.loads);
  return routing;
}

Case read_case(const JsonReader& reader, const std::string& suite) {
  reader.allow_only({"operation", "point", "dtypes", "ranks", "routing"});
  Case c;
  c.point = reader.require<Point>("point");
  for (const auto& [name, value] : c.point)
    if (value < 0) reader.fail("point." + name, "is negative");
  if (reader.has("dtypes")) c.dtypes = read_dtypes(reader.object("dtypes"));
  if (reader.has("ranks")) c.ranks = read_ranks(reader.object("ranks"));
  c.routed = reader.has("routing");
  if (c.routed) c.routing = read_routing(reader.object("routing"), suite);
  return c;
}

}  // namespace

SuiteCases read_suite(const std::string& path) {
  std::ifstream stream{path};
  if (!stream)
    throw InvalidInput{"cannot read the suite '" + path +
                       "': it is neither quick, planner or full nor a file that can be read"};
  SuiteCases cases;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.empty()) continue;
    const FileLine where{path, number};
    const auto json = parse_json(line, where);
    const JsonReader reader{json, where};
    cases[reader.require<std::string>("operation")].push_back({read_case(reader, path), where});
  }
  if (cases.empty()) throw InvalidInput{"the suite '" + path + "' holds no case"};
  return cases;
}

}  // namespace moecal::bench
