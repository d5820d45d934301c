// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/expert_inputs.hpp"

#include <cmath>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

double per_rank(const OperationCall& call, const std::string& name, const std::string& ranks) {
  const double all = call.number(name), parts = call.number(ranks);
  if (parts < 1 || std::fmod(all, parts) != 0)
    throw InvalidInput{"a point of '" + call.operation + "' divides '" + name + "' by '" + ranks +
                       "', and " + std::to_string(call.whole(name)) + " by " +
                       std::to_string(call.whole(ranks)) + " leaves a rest"};
  return all / parts;
}

/// Tokens, experts and choices of an operation that takes_routing.
RoutingShape routed_shape(const OperationCall& call) {
  if (call.operation == "moe_layer")
    return {call.whole("tokens"), call.whole("experts"), call.whole("top_k")};
  return {call.whole("groups") * call.whole("m"), call.whole("groups"), 1};
}

RankLoads loads_of(const OperationCall& call) {
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
GroupedInputs layer_inputs(const OperationCall& call) {
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

GroupedInputs group_inputs(const OperationCall& call) {
  auto grouped =
      group_inputs(call.number("groups"), loads_of(call), {call.number("n"), call.number("k")});
  grouped.weight_size = call.b();
  return grouped;
}

/// A token as it is sent: 8-bit values come with a scale for each block. Where the type was not
/// recorded, elements count as two bytes: what is sent is then mostly bf16.
double sent_row(const OperationCall& call) {
  constexpr double kUnrecordedBytes = 2;
  const double bytes = call.dtypes.a.empty() ? kUnrecordedBytes : call.a();
  const double scales = bytes == 1 ? kScaleBytes / kScaleBlock : 0;
  return call.number("hidden") * (bytes + scales);
}

}  // namespace

GroupedInputs group_inputs(double groups, const RankLoads& loads, const ExpertProduct& product) {
  GroupedInputs grouped;
  grouped.experts = groups;
  set_loads(grouped, loads);
  grouped.products[0] = product;
  return grouped;
}

GroupedInputs grouped_inputs(const OperationCall& call) {
  return call.operation == "moe_layer" ? layer_inputs(call) : group_inputs(call);
}

ExchangeInputs exchange_inputs(const OperationCall& call) {
  const ExchangeInputs inputs{call.number("tokens"), call.number("experts"), call.number("top_k"),
                              sent_row(call)};
  if (inputs.top_k < 1 || inputs.top_k > inputs.experts)
    throw InvalidInput{"a token of '" + call.operation +
                       "' is sent to at least one expert and to " + "each of them once: top_k " +
                       std::to_string(call.whole("top_k")) + " of " +
                       std::to_string(call.whole("experts")) + " experts"};
  return inputs;
}

double load_skew(const std::string& operation, const Point& point, const RoutingSpec& routing) {
  const OperationCall call{operation, point, {}, routing};
  const auto shape = routed_shape(call);
  const double rows = static_cast<double>(shape.tokens) * static_cast<double>(shape.top_k);
  return loads_of(call).fullest * static_cast<double>(shape.experts) / rows;
}

}  // namespace moecal::calibration
