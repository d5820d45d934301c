// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/query_match.hpp"

#include <algorithm>

#include "calibration/dtype_distance.hpp"
#include "calibration/features.hpp"
#include "calibration/number_list.hpp"
#include "calibration/routing_conditions.hpp"

namespace moecal::calibration {

bool accepts_machine(const Model& model, const Query& query) {
  return accepts(query.card, model.card) &&
         (!is_call_of_system(model.operation) || accepts(query.system, model.system));
}

bool accepts_dtype(const Model& model, const Query& query) {
  return dtype_distance(model.operation, model.conditions.dtype, query) < kNoMatch;
}

bool accepts_scale_mode(const Model& model, const Query& query) {
  return query.scale_mode.empty() || query.scale_mode == scale_mode_of(model.conditions);
}

bool accepts_nodes(const Model& model, const Query& query) {
  return query.nodes == 0 || query.nodes == model.conditions.nodes;
}

bool accepts_routing(const Model& model, const Query& query) {
  const bool by_skew = model.conditions.any_routing;
  if (query.skew && !by_skew) return false;
  if (takes_routing(model.operation) || by_skew) return true;
  const auto& have = model.conditions.routing;
  return accepts(query.routing, have.distribution) &&
         (!query.exponent || *query.exponent == have.exponent) &&
         (!query.capacity_factor || *query.capacity_factor == have.capacity_factor) &&
         (query.loads.empty() || query.loads == have.loads);
}

bool accepts_settings(const Model& model, const Query& query) {
  const auto& have = model.conditions.settings;
  return std::ranges::all_of(query.settings, [&](const auto& asked) {
    const auto found = have.find(asked.first);
    return found != have.end() && found->second == asked.second;
  });
}

std::string routing_text(const RoutingConditions& routing) {
  return routing.distribution + (routing.loads.empty() ? "" : " " + name_of_loads(routing)) +
         (routing.exponent == 0 ? "" : " " + number_text(routing.exponent)) +
         (routing.capacity_factor == 0 ? ""
                                       : " limited to " + number_text(routing.capacity_factor));
}

std::string scale_mode_of(const Conditions& conditions) {
  return conditions.scale_mode.empty() ? "none" : conditions.scale_mode;
}

}  // namespace moecal::calibration
