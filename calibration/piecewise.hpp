// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// A continuous piecewise-linear time over size that never falls:
///   t(s) = latency + sum_j slope_j * (part of s that lies in segment j)
/// Segment j runs from knots[j-1] (0 for the first) to knots[j] (no end for the last).
struct Piecewise {
  double latency = 0;          // s
  std::vector<double> slopes;  // s/B, one a segment, each >= 0
  std::vector<double> knots;   // B, ascending; one fewer than slopes
  double latency_error = 0;    // standard errors, same units
  std::vector<double> slope_errors;
  double cost = 0;  // half the robust sum over log errors: what a search compares
};

/// How such lines are fitted, those of skewed_latency_bandwidth among them.
inline constexpr double kLineLossScale = 0.03;  // of log time: about the noise of a measurement
/// What stands in logarithms for a segment that is flat, a rate that no memory reaches, and for no
/// latency.
inline constexpr double kLeastSlope = 1e-18;    // s/B
inline constexpr double kLeastLatency = 1e-10;  // s

[[nodiscard]] double piecewise_seconds(const Piecewise& line, double size);

/// Fits `segments` of them to log time with a robust loss; the knots are found by searching the
/// sizes and their geometric midpoints, then polished.
/// @throws InvalidInput if there are fewer than 2 distinct sizes.
[[nodiscard]] Piecewise fit_piecewise(std::span<const FitPoint> points, int segments);

/// The most segments that many distinct sizes can carry (1 to 3).
[[nodiscard]] int most_segments(std::span<const FitPoint> points);

}  // namespace moecal::calibration
