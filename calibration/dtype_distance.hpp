// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "calibration/predict.hpp"

namespace moecal::calibration {

/// How far a dtype is from the one a query asks for; kNoMatch: it cannot stand in for it. What only
/// moves bytes takes any payload, one of the same width first; arithmetic takes floating point for
/// floating point of the same width. An exchange with experts whose dtype was not recorded stands
/// in for any.
inline constexpr int kNoMatch = 1000;
[[nodiscard]] int dtype_distance(const std::string& operation, const std::string& dtype,
                                 const Query& query);

}  // namespace moecal::calibration
