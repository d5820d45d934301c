// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// Computation and communication started together, of which each alone takes s1 and s2 seconds:
///   t = t0 + ((c s1)^q + (x s2)^q)^(1/q)
///   t0                      s  of starting the two and waiting for both
///   compute_slowdown        1  c: of the computation beside the communication
///   communication_slowdown  1  x: of the communication beside the computation
///   sharpness               1  q >= 1: 1 is one after the other, infinity as long as the longer
/// A slowdown is seen where its call is the longer one, and stays near 1 where it never is. Valid
/// between the least and the longest time of each that were measured.
[[nodiscard]] Form overlap_form();

inline constexpr std::size_t kOverlapPoints = 5;

/// Points carry `compute` and `communication`.
/// @throws InvalidInput with fewer than kOverlapPoints points.
[[nodiscard]] Model fit_overlap(std::span<const FitPoint> points);

}  // namespace moecal::calibration
