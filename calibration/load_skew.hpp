// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "core/point.hpp"
#include "core/routing.hpp"

namespace moecal::calibration {

/// Of an operation that takes_routing: rows of the fullest expert over the even share of all rows,
/// in expectation. Below 1 where the routing's capacity drops rows.
/// @throws InvalidInput as work_of (features.hpp).
[[nodiscard]] double load_skew(const std::string& operation, const Point& point,
                               const RoutingSpec& routing);

}  // namespace moecal::calibration
