// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/features.hpp"

#include <cmath>
#include <map>

#include "calibration/load_skew.hpp"
#include "core/collective.hpp"
#include "core/dtype.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kIndexBytes = 4;   // row maps and expert ids: int32
constexpr double kCountBytes = 8;   // rows of an expert and their offsets: int64
constexpr double kWeightBytes = 4;  // routing weights: f32
constexpr double kScaleBytes = 4;   // of quantized values: f32
constexpr double kScaleBlock = 128;

/// The numbers of one call, asked for by name.
struct Call {
  const std::string& operation;
  const Point& point;
  const Dtypes& dtypes;
  const RoutingSpec& routing;
  KnownLoads* loads = nullptr;

  [[nodiscard]] double number(const std::string& name) const {
    const auto found = point.find(name);
    if (found == point.end())
      throw InvalidInput{"a point of '" + operation + "' needs the number '" + name +
                         "' and does not have it"};
    if (found->second < 0)
      throw InvalidInput{"a point of '" + operation + "' has a negative '" + name + "'"};
    return static_cast<double>(found->second);
  }
  [[nodiscard]] double number_or(const std::string& name, double fallback) const {
    return point.contains(name) ? number(name) : fallback;
  }
  [[nodiscard]] std::int64_t whole(const std::string& name) const {
    return static_cast<std::int64_t>(number(name));
  }
  [[nodiscard]] double a() const { return element_bytes(dtypes).a; }
  [[nodiscard]] double b() const { return element_bytes(dtypes).b; }
  [[nodiscard]] double c() const { return element_bytes(dtypes).c; }
};

Work make_work(double flops, double read, double written) {
  return {Flops{flops}, Bytes{read}, Bytes{written}, Bytes{0}, 0};
}

Work gemm_work(double groups, double m, double n, double k, const ElementBytes& bytes) {
  return make_work(2 * groups * m * n * k, groups * (m * k * bytes.a + k * n * bytes.b),
                   groups * m * n * bytes.c);
}

Work work_of_gemm(const Call& call) {
  return gemm_work(call.number_or("groups", 1), call.number("m"), call.number("n"),
                   call.number("k"), element_bytes(call.dtypes));
}

double per_rank(const Call& call, const std::string& name, const std::string& ranks) {
  const double all = call.number(name), parts = call.number(ranks);
  if (parts < 1 || std::fmod(all, parts) != 0)
    throw InvalidInput{"a point of '" + call.operation + "' divides '" + name + "' by '" + ranks +
                       "', and " + std::to_string(call.whole(name)) + " by " +
                       std::to_string(call.whole(ranks)) + " leaves a rest"};
  return all / parts;
}

/// Tokens, experts and choices of an operation that takes_routing.
RoutingShape routed_shape(const Call& call) {
  if (call.operation == "moe_layer")
    return {call.whole("tokens"), call.whole("experts"), call.whole("top_k")};
  return {call.whole("groups") * call.whole("m"), call.whole("groups"), 1};
}

RankLoads loads_of(const Call& call) {
  const auto ranks = call.operation == "moe_layer" ? call.whole("expert_parallel") : 1;
  return call.loads == nullptr ? busiest_rank_loads(routed_shape(call), ranks, call.routing)
                               : call.loads->of(routed_shape(call), ranks, call.routing);
}

void set_loads(GroupedInputs& grouped, const RankLoads& loads) {
  grouped.rows = loads.rows;
  grouped.active = loads.active;
  grouped.padded_16 = loads.padded_16;
  grouped.padded_128 = loads.padded_128;
  grouped.fullest = loads.fullest;
}

/// Gated experts: gate and up projection are one product.
GroupedInputs layer_inputs(const Call& call) {
  const double hidden = call.number("hidden"), tokens = call.number("tokens");
  const double inner = per_rank(call, "inter", "tensor_parallel");
  GroupedInputs grouped;
  grouped.experts = per_rank(call, "experts", "expert_parallel");
  set_loads(grouped, loads_of(call));
  grouped.tokens = tokens;
  grouped.hidden = hidden;
  grouped.inter = call.number("inter");
  grouped.all_experts = call.number("experts");
  grouped.top_k = call.number("top_k");
  grouped.moved = grouped.rows * hidden * (call.a() + call.c()) + 2 * tokens * hidden * call.c();
  grouped.weight_size = call.b();
  grouped.products[0] = {2 * inner, hidden};
  grouped.products[1] = {hidden, inner};
  return grouped;
}

GroupedInputs group_inputs(double groups, const RankLoads& loads, const ExpertProduct& product) {
  GroupedInputs grouped;
  grouped.experts = groups;
  set_loads(grouped, loads);
  grouped.products[0] = product;
  return grouped;
}

GroupedInputs group_inputs(const Call& call) {
  auto grouped =
      group_inputs(call.number("groups"), loads_of(call), {call.number("n"), call.number("k")});
  grouped.weight_size = call.b();
  return grouped;
}

/// A capacity drops rows, and experts without any read no weights.
Work grouped_work(const Call& call, const GroupedInputs& grouped) {
  if (call.routing.capacity_factor == 0) return work_of_gemm(call);
  const auto& [n, k] = grouped.products[0];
  return make_work(2 * grouped.rows * n * k,
                   grouped.rows * k * call.a() + grouped.active * n * k * call.b(),
                   grouped.rows * n * call.c());
}

Work layer_work(const Call& call, const GroupedInputs& grouped) {
  double weights = 0;
  for (const auto& product : grouped.products) weights += product.n * product.k;
  const double row = call.number("hidden") * call.c();
  return make_work(2 * grouped.rows * weights,
                   grouped.active * weights * grouped.weight_size + grouped.tokens * row,
                   grouped.tokens * row);
}

GroupedInputs grouped_inputs(const Call& call) {
  return call.operation == "moe_layer" ? layer_inputs(call) : group_inputs(call);
}

Work work_of_experts(const Call& call, const GroupedInputs& grouped) {
  return call.operation == "moe_layer" ? layer_work(call, grouped) : grouped_work(call, grouped);
}

Work work_of_grouped(const Call& call) { return work_of_experts(call, grouped_inputs(call)); }

Work copy_work(const Call& call) {
  return make_work(0, call.number("bytes"), call.number("bytes"));
}

Work stream_work(const Call& call) {
  const double bytes = call.number("bytes");
  return make_work(0, bytes * call.number("reads"), bytes * call.number("writes"));
}

/// Four f32 arrays in; three of them and a bf16 one out.
Work adam_work(const Call& call) {
  const double parameters = call.number("parameters");
  return make_work(13 * parameters, 16 * parameters, 14 * parameters);
}

/// Of a row of that many elements, each block of 128 of which has a scale of its own; else 0.
double row_scales(const Call& call, const std::string& elements) {
  if (call.dtypes.scale_mode != "block_1x128") return 0;
  return std::ceil(call.number(elements) / kScaleBlock);
}

Work permute_work(const Call& call) {
  const double row = call.number("hidden") * call.a(), tokens = call.number("tokens");
  const double rows = tokens * call.number("top_k");
  const double written = rows * call.number("hidden") * call.c();
  const double scales = rows * row_scales(call, "hidden");
  return make_work(0, tokens * row + rows * kIndexBytes, written + scales * kScaleBytes);
}

Work unpermute_work(const Call& call) {
  const double row = call.number("hidden") * call.a(), tokens = call.number("tokens");
  const double rows = tokens * call.number("top_k");
  return make_work(2 * rows * call.number("hidden"), rows * (row + kIndexBytes + kWeightBytes),
                   tokens * row);
}

Work quantize_work(const Call& call) {
  const double tokens = call.number("tokens"), elements = tokens * call.number("hidden");
  const double scales =
      call.dtypes.scale_mode == "block_1x128" ? tokens * row_scales(call, "hidden") : 1;
  return make_work(0, elements * call.a(), elements * call.c() + scales * kScaleBytes);
}

/// Gates and ups are two operands of the result's size.
Work swiglu_work(const Call& call) {
  const double tokens = call.number("tokens"), results = tokens * call.number("inner");
  const double scales = tokens * row_scales(call, "inner");
  return make_work(5 * results, 2 * results * call.a(), results * call.c() + scales * kScaleBytes);
}

/// Causal queries see half of the keys.
double share_of_keys_seen(const Call& call) { return call.number("causal") != 0 ? 0.5 : 1; }

double attention_scores(const Call& call) {
  return call.number("batch") * call.number("heads") * call.number("sequence") *
         call.number("sequence");
}

/// Operands and result once.
Work fused_attention_work(const Call& call) {
  const double vectors = call.number("batch") * call.number("sequence") * call.number("head_size");
  const double queries = call.number("heads") * vectors, keys = call.number("kv_heads") * vectors;
  return make_work(share_of_keys_seen(call) * 4 * attention_scores(call) * call.number("head_size"),
                   call.a() * (queries + 2 * keys), call.a() * queries);
}

/// Unfused: the scores are written and read twice.
Work attention_work(const Call& call) {
  const auto fused = fused_attention_work(call);
  const double scores = call.a() * attention_scores(call);
  return make_work(fused.flops.value(),
                   fused.read.value() + (share_of_keys_seen(call) + 1) * scores,
                   fused.written.value() + 2 * scores);
}

Work gate_work(const Call& call) {
  const double tokens = call.number("tokens"), experts = call.number("experts");
  const double chosen = tokens * call.number("top_k");
  const double written_per_choice = 2 * kIndexBytes + kWeightBytes;  // expert, row, weight
  return make_work(0, tokens * experts * call.a(),
                   chosen * written_per_choice + (2 * experts + 1) * kCountBytes);
}

/// Of a routed exchange (all_to_all_v, dispatch_combine): one rank's rows.
double message_bytes(const Call& call) {
  if (call.point.contains("bytes")) return call.number("bytes");
  return call.number("tokens") * call.number("top_k") * call.number("hidden") * call.a();
}

Work transfer_work(const Call& call) {
  return {Flops{0}, Bytes{0}, Bytes{0}, Bytes{message_bytes(call)}, 1};
}

/// A token as it is sent: 8-bit values come with a scale for each block. Where the type was not
/// recorded, elements count as two bytes: what is sent is then mostly bf16.
double sent_row(const Call& call) {
  constexpr double kUnrecordedBytes = 2;
  const double bytes = call.dtypes.a.empty() ? kUnrecordedBytes : call.a();
  const double scales = bytes == 1 ? kScaleBytes / kScaleBlock : 0;
  return call.number("hidden") * (bytes + scales);
}

ExchangeInputs exchange_inputs(const Call& call) {
  const ExchangeInputs inputs{call.number("tokens"), call.number("experts"), call.number("top_k"),
                              sent_row(call)};
  if (inputs.top_k < 1 || inputs.top_k > inputs.experts)
    throw InvalidInput{"a token of '" + call.operation +
                       "' is sent to at least one expert and to " + "each of them once: top_k " +
                       std::to_string(call.whole("top_k")) + " of " +
                       std::to_string(call.whole("experts")) + " experts"};
  return inputs;
}

/// Rows as if each expert had a copy.
Work exchange_work(const Call& call) {
  const auto x = exchange_inputs(call);
  return {Flops{0}, Bytes{0}, Bytes{0}, Bytes{x.tokens * x.top_k * x.row}, 1};
}

Work unknown_work(const Call& call) {
  if (call.point.size() > 1) {
    std::string names;
    for (const auto& [name, value] : call.point) names += (names.empty() ? "" : ", ") + name;
    throw InvalidInput{
        "how the time of '" + call.operation + "' follows from its " +
        std::to_string(call.point.size()) + " numbers (" + names +
        ") is not known: only an operation of one number can be fitted without that"};
  }
  double elements = 1;
  for (const auto& [name, value] : call.point) elements = call.number(name);
  return make_work(0, elements * (call.dtypes.a.empty() ? 1 : call.a()), 0);
}

/// Times of other calls are no work of their own: what they take counts as if each nanosecond moved
/// a byte.
Work combined_work(const Call& call) {
  return make_work(0, call.number("compute_ns") + call.number("communication_ns"), 0);
}

using WorkOf = Work (*)(const Call&);
const std::map<std::string, WorkOf>& known_work() {
  static const std::map<std::string, WorkOf> kKnown{{"expert_gemm", work_of_gemm},
                                                    {"grouped_gemm", work_of_grouped},
                                                    {"memory_copy", copy_work},
                                                    {"permute", permute_work},
                                                    {"unpermute", unpermute_work},
                                                    {"topk_gate", gate_work},
                                                    {"quantize", quantize_work},
                                                    {"swiglu", swiglu_work},
                                                    {"moe_layer", work_of_grouped},
                                                    {"attention", attention_work},
                                                    {"memory_stream", stream_work},
                                                    {"host_adam", adam_work},
                                                    {"fused_attention", fused_attention_work},
                                                    {"overlap", combined_work}};
  return kKnown;
}

}  // namespace

bool is_fused(const std::string& implementation) { return implementation.ends_with("_fused"); }

std::string kind_of_work(const std::string& operation, const std::string& implementation) {
  return operation == "attention" && is_fused(implementation) ? "fused_attention" : operation;
}

bool is_expert_exchange(const std::string& operation) {
  return operation == "moe_dispatch" || operation == "moe_combine" || operation == "moe_prepare";
}

bool is_collective(const std::string& operation) {
  return find_collective(operation) != nullptr || operation == "dispatch_combine" ||
         is_expert_exchange(operation);
}

ElementBytes element_bytes(const Dtypes& dtypes) {
  const auto size = [](const std::string& dtype) {
    return static_cast<double>(size_of(parse_dtype(dtype)));
  };
  const double a = size(dtypes.a);
  return {a, dtypes.b.empty() ? a : size(dtypes.b), dtypes.c.empty() ? a : size(dtypes.c)};
}

Inputs gemm_inputs(double groups, double m, double n, double k, const ElementBytes& bytes) {
  const auto work = gemm_work(groups, m, n, k, bytes);
  const double moved = work.read.value() + work.written.value();
  return {m, work.flops.value(), moved, m, n, k, {}};
}

Inputs even_groups_inputs(double groups, double m, double n, double k, const ElementBytes& bytes) {
  auto inputs = gemm_inputs(groups, m, n, k, bytes);
  inputs.m = inputs.n = inputs.k = 0;  // of one GEMM only
  inputs.grouped = group_inputs(groups, equal_loads(groups, m), {n, k});
  inputs.grouped.weight_size = bytes.b;
  inputs.size = inputs.grouped.rows;
  return inputs;
}

bool takes_routing(const std::string& operation) {
  return operation == "moe_layer" || operation == "grouped_gemm";
}

double load_skew(const std::string& operation, const Point& point, const RoutingSpec& routing) {
  const Call call{operation, point, {}, routing};
  const auto shape = routed_shape(call);
  const double rows = static_cast<double>(shape.tokens) * static_cast<double>(shape.top_k);
  return loads_of(call).fullest * static_cast<double>(shape.experts) / rows;
}

std::optional<Point> model_numbers(const Point& point) {
  Point numbers;
  for (const char* name : {"hidden", "inter", "experts", "top_k"}) {
    const auto found = point.find(name);
    if (found == point.end()) return std::nullopt;
    numbers.insert(*found);
  }
  return numbers;
}

Family family_of(const std::string& operation, const Point& point) {
  if (takes_routing(operation)) return Family::grouped;
  if (is_expert_exchange(operation)) return Family::exchange;
  if (point.contains("m") && point.contains("n") && point.contains("k")) return Family::gemm;
  if (is_collective(operation)) return Family::transfer;
  if (known_work().contains(operation)) return Family::memory_bound;
  return point.size() == 1 && point.contains("bytes") ? Family::transfer : Family::memory_bound;
}

Work work_of(const std::string& operation, const Point& point, const Dtypes& dtypes,
             const RoutingSpec& routing) {
  const Call call{operation, point, dtypes, routing};
  const auto known = known_work().find(operation);
  if (known != known_work().end()) return known->second(call);
  switch (family_of(operation, point)) {
    case Family::transfer:
      return transfer_work(call);
    case Family::gemm:
      return work_of_gemm(call);
    case Family::exchange:
      return exchange_work(call);
    case Family::grouped:  // both are known above
    case Family::memory_bound:
      break;
  }
  return unknown_work(call);
}

Inputs inputs_of(const std::string& operation, const Point& point, const Dtypes& dtypes,
                 const RoutingSpec& routing, KnownLoads* loads) {
  const Call call{operation, point, dtypes, routing, loads};
  const auto family = family_of(operation, point);
  const auto grouped = family == Family::grouped ? grouped_inputs(call) : GroupedInputs{};
  const auto work = family == Family::grouped ? work_of_experts(call, grouped)
                                              : work_of(operation, point, dtypes, routing);
  const double moved = work.read.value() + work.written.value();
  Inputs inputs{.size = moved, .flops = work.flops.value(), .bytes = moved};
  switch (family) {
    case Family::transfer:
      inputs.size = message_bytes(call);
      break;
    case Family::gemm:
      inputs.m = inputs.size = call.number("m");
      inputs.n = call.number("n");
      inputs.k = call.number("k");
      break;
    case Family::grouped:
      inputs.grouped = grouped;
      inputs.size = operation == "moe_layer" ? grouped.tokens : grouped.rows;
      break;
    case Family::exchange:
      inputs.exchange = exchange_inputs(call);
      inputs.size = inputs.exchange.tokens;
      break;
    case Family::memory_bound:
      if (operation != "overlap") break;
      inputs.compute = 1e-9 * call.number("compute_ns");
      inputs.communication = 1e-9 * call.number("communication_ns");
      break;
  }
  return inputs;
}

}  // namespace moecal::calibration
