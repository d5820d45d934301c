// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "calibration/predict.hpp"
#include "core/routing.hpp"

namespace moecal::calibration {

/// What of a routing tells measurements apart: not its seed, and no exponent where it has no say.
[[nodiscard]] RoutingConditions conditions_of(const RoutingSpec& spec);

/// A routing under these conditions, of the first seed; the default where they are empty.
[[nodiscard]] RoutingSpec spec_of(const RoutingConditions& routing);

/// What a query says of routing, or means without a word on it: a grouped GEMM has the same rows in
/// each group, anything else is uniform.
[[nodiscard]] RoutingConditions routing_asked(const std::string& operation, const Query& query);

/// A name of recorded loads: loads that differ have another one. Empty where there are none.
[[nodiscard]] std::string name_of_loads(const RoutingConditions& routing);

}  // namespace moecal::calibration
