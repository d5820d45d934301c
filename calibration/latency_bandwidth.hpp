// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// Memory-bound kernels: a launch and the bytes moved, B, at one rate; or at two, where a working
/// set that fits a cache moves faster:
///   t = latency + min(B, C) / cache_bandwidth + max(B - C, 0) / bandwidth
///   latency          s    time of an empty call
///   bandwidth        B/s  past the knot C (of everything, where there is no knot)
///   cache_bandwidth  B/s  below it (optional)
///   knots            B    C, at most one
/// Cold and warm measurements are different series: what a cache holds is a condition, not noise.
[[nodiscard]] Form latency_bandwidth_form();

/// `rates` is 1 or 2. @throws InvalidInput with fewer than 2 distinct sizes.
[[nodiscard]] Model fit_latency_bandwidth(std::span<const FitPoint> points, int rates);

}  // namespace moecal::calibration
