// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

/// Pure functions of samples, in the samples' unit but where one is said to be over another (then a
/// plain number). Each throws InvalidInput on an empty input: there is no statistic of nothing.
namespace moecal {

/// Below it lie 95 % of a standard normal: half the width of an interval that 90 % lie in.
inline constexpr double kNormal95 = 1.6448536269514722;

[[nodiscard]] double mean(std::span<const double> samples);
[[nodiscard]] double standard_deviation(
    std::span<const double> samples);  // n - 1; 0 for one sample
[[nodiscard]] double median(std::span<const double> samples);
/// Linear interpolation between order statistics; p in [0, 1].
[[nodiscard]] double quantile(std::span<const double> samples, double p);
/// Median absolute deviation, scaled to the standard deviation of a normal.
[[nodiscard]] double scaled_mad(std::span<const double> samples);
/// Half-width of a confidence interval of the median, over the median; confidence in (0, 1). It is
/// the interval of order statistics that covers the median with this confidence whatever the
/// distribution; with too few samples for that (five, at 95 %) it is their range.
[[nodiscard]] double relative_median_half_width(std::span<const double> samples, double confidence);
/// True for each sample further than `cut` scaled MADs from the median; none if the MAD is 0.
[[nodiscard]] std::vector<bool> outliers(std::span<const double> samples, double cut = 5.0);

}  // namespace moecal
