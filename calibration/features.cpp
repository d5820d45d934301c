// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/features.hpp"

#include "calibration/operation_work.hpp"
#include "core/collective.hpp"

namespace moecal::calibration {

bool is_expert_exchange(const std::string& operation) {
  return operation == "moe_dispatch" || operation == "moe_combine" || operation == "moe_prepare";
}

bool is_call_of_system(const std::string& operation) {
  return is_collective(operation) || operation == "dispatch_combine" ||
         is_expert_exchange(operation);
}

Inputs gemm_inputs(const GroupedShape& shape, const ElementBytes& bytes) {
  const auto work = gemm_work(shape, bytes);
  const double moved = work.read.value() + work.written.value();
  return {shape.m, work.flops.value(), moved, shape.m, shape.n, shape.k, {}};
}

Inputs even_groups_inputs(const GroupedShape& shape, const ElementBytes& bytes) {
  auto inputs = gemm_inputs(shape, bytes);
  inputs.m = inputs.n = inputs.k = 0;  // of one GEMM only
  inputs.grouped =
      group_inputs(shape.groups, equal_loads(shape.groups, shape.m), {shape.n, shape.k});
  inputs.grouped.weight_size = bytes.b;
  inputs.size = inputs.grouped.rows;
  return inputs;
}

bool takes_routing(const std::string& operation) {
  return operation == "moe_layer" || operation == "grouped_gemm";
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
  if (is_call_of_system(operation)) return Family::transfer;
  if (has_known_work(operation)) return Family::memory_bound;
  return point.size() == 1 && point.contains("bytes") ? Family::transfer : Family::memory_bound;
}

Inputs inputs_of(const std::string& operation, const Point& point, const Dtypes& dtypes,
                 const RoutingSpec& routing, KnownLoads* loads) {
  const OperationCall call{operation, point, dtypes, routing, loads};
  const auto family = family_of(operation, point);
  const auto grouped = family == Family::grouped ? grouped_inputs(call) : GroupedInputs{};
  // Where the routing is a condition apart, all points of a series drop alike: all choices count.
  const auto work = family == Family::grouped ? work_of_experts(call, grouped)
                                              : work_of(operation, point, dtypes);
  const double moved = work.read.value() + work.written.value();
  Inputs inputs{.size = moved, .flops = work.flops.value(), .bytes = moved};
  switch (family) {
    case Family::transfer:
      inputs.size = work.sent.value();
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
