// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/routing_conditions.hpp"

#include <array>
#include <charconv>

#include "core/hash.hpp"

namespace moecal::calibration {

RoutingConditions conditions_of(const RoutingSpec& spec) {
  const bool has_exponent = spec.distribution.starts_with("power_law");
  return {spec.distribution, has_exponent ? spec.exponent : 0, spec.capacity_factor, spec.loads};
}

RoutingSpec spec_of(const RoutingConditions& routing) {
  RoutingSpec spec;
  if (routing.distribution.empty()) return spec;
  spec.distribution = routing.distribution;
  spec.exponent = routing.exponent;
  spec.capacity_factor = routing.capacity_factor;
  spec.loads = routing.loads;
  return spec;
}

RoutingConditions routing_asked(const std::string& operation, const Query& query) {
  RoutingSpec asked;
  if (!query.routing.empty())
    asked.distribution = query.routing;
  else if (operation == "grouped_gemm")
    asked.distribution = "balanced";
  if (query.exponent) asked.exponent = *query.exponent;
  asked.capacity_factor = query.capacity_factor.value_or(0);
  asked.loads = query.loads;
  return conditions_of(asked);
}

std::string name_of_loads(const RoutingConditions& routing) {
  if (routing.loads.empty()) return "";
  std::string all;
  for (const double load : routing.loads) {
    std::array<char, 32> text{};
    all.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), load).ptr) += " ";
  }
  return "loads_" + sha256(all).substr(0, 8);
}

}  // namespace moecal::calibration
