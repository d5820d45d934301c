// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "calibration/features.hpp"
#include "core/dtype.hpp"
#include "interchange/aiconfigurator_tables.hpp"

namespace moecal::interchange {
namespace {

/// Names in the tables -> names of the point.
Point point_of(const CsvRow& row) {
  return {
      {"tokens", row.count("num_tokens")},          {"hidden", row.count("hidden_size")},
      {"inter", row.count("inter_size")},           {"top_k", row.count("topk")},
      {"experts", row.count("num_experts")},        {"tensor_parallel", row.count("moe_tp_size")},
      {"expert_parallel", row.count("moe_ep_size")}};
}

/// What the busiest rank does at least, however the experts were drawn: no expert is given more
/// rows than there are tokens. So no draw that happened can look faster than the card.
Work certain_work(const Point& point, const Dtypes& dtypes) {
  const auto inputs = calibration::inputs_of("moe_layer", point, dtypes, {"balanced"});
  const auto& layer = inputs.grouped;
  double weights = 0;
  for (const auto& product : layer.products) weights += product.n * product.k;
  const double experts = std::ceil(layer.rows / layer.tokens);
  const auto result = static_cast<double>(size_of(parse_dtype(dtypes.c)));
  Work work;
  work.flops = Flops{2 * layer.rows * weights};
  work.read = Bytes{experts * weights * layer.weight_size};
  work.written = Bytes{layer.tokens * static_cast<double>(point.at("hidden")) * result};
  return work;
}

/// One rank of a layer that is spread over tensor_parallel x expert_parallel of them: gated experts
/// with permute and unpermute, without the router and without communication.
void take(const CsvRow& row, const Card& card, Collector& collector) {
  const auto dtypes = operand_types(row.text("moe_dtype"));
  if (!dtypes) return collector.leave_out("dtype " + row.text("moe_dtype"));
  const auto routing = routing_of(row.text("distribution"));
  if (!routing) return collector.leave_out("distribution " + row.text("distribution"));
  if (row.text("kernel_source").ends_with("_nongated"))
    return collector.leave_out("experts without a gate");
  auto o = timed_row(row, collector, row.number("latency") / 1e3, "latency");
  o.operation = "moe_layer";
  o.backend = "cuda";
  o.dtypes = *dtypes;
  o.point = point_of(row);
  o.routed = true;
  o.routing = *routing;
  o.work = certain_work(o.point, o.dtypes);
  set_kernel(row, o);
  take_table_row(row, card, collector, std::move(o));
}

}  // namespace

AiconfiguratorTable aiconfigurator_moe_layers() {
  return {{"moe_dtype", "num_tokens", "hidden_size", "inter_size", "topk", "num_experts",
           "moe_tp_size", "moe_ep_size", "distribution", "latency"},
          take};
}

}  // namespace moecal::interchange
