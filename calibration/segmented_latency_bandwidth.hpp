// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// Continuous, piecewise linear in the message size s, one to three segments:
///   t(s) = latency + sum_j inverse_bandwidth_j * (bytes of s in segment j)
///   latency              s    time of an empty message
///   inverse_bandwidth_1  s/B  of the first segment; _2 and _3 of the next, where they exist
///   knots                B    where the segments meet: sizes at which the library switches
///   last_rate_spread     1    how far the rates of the last three points lie apart (optional)
/// Valid between the sizes measured; past the last one predict() has the rule.
[[nodiscard]] Form segmented_latency_bandwidth_form();

/// @throws InvalidInput with fewer than 2 distinct sizes.
[[nodiscard]] Model fit_segmented_latency_bandwidth(std::span<const FitPoint> points, int segments);

}  // namespace moecal::calibration
