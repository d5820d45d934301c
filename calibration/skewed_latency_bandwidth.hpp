// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// An exchange whose ranks have unequal bytes, s on average and k s the busiest one:
///   t(s, k) = line(s k^skew_exponent)
/// with the line of segmented_latency_bandwidth and its parameters. Where all bytes share what they
/// cross (one memory, one core) the exponent is 0; where each rank has a link of its own, and the
/// rest waits for the busiest, it is 1.
///   skew_exponent  1
/// Valid between the sizes and the skews measured.
[[nodiscard]] Form skewed_latency_bandwidth_form();

/// Whose bytes rule: everybody's (exponent 0), the busiest rank's (1), or what the points say.
enum class SkewRule { total, busiest, fitted };

/// A fitted exponent has a standard error; skews that hardly differ say nothing of it, and it stays
/// near 1. @throws InvalidInput with fewer than 2 distinct sizes.
[[nodiscard]] Model fit_skewed_latency_bandwidth(std::span<const FitPoint> points, int segments,
                                                 SkewRule rule);

/// Whether the points' skews differ enough to tell the rules apart.
[[nodiscard]] bool skews_differ(std::span<const FitPoint> points);

}  // namespace moecal::calibration
