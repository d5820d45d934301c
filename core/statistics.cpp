// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"

namespace moecal {
namespace {

std::vector<double> sorted(std::span<const double> samples) {
  if (samples.empty()) throw InvalidInput{"a statistic was asked of no samples"};
  std::vector<double> copy(samples.begin(), samples.end());
  std::sort(copy.begin(), copy.end());
  return copy;
}

double quantile_of_sorted(const std::vector<double>& ordered, double p) {
  const double position = p * static_cast<double>(ordered.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto above = std::min(below + 1, ordered.size() - 1);
  return std::lerp(ordered[below], ordered[above], position - static_cast<double>(below));
}

// How many order statistics lie below the interval [x_(l), x_(n+1-l)] that covers the median with
// at least this confidence: the largest l - 1 for which both binomial tails fit; -1 if not even the
// whole range covers it so surely.
std::ptrdiff_t below_median_interval(std::size_t count, double confidence) {
  const double n = static_cast<double>(count);
  double tail = 0;
  for (std::size_t below = 0; below <= count / 2; ++below) {
    const double k = static_cast<double>(below);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) -
                     n * std::log(2.0));
    if (tail > 0.5 * (1 - confidence)) return static_cast<std::ptrdiff_t>(below) - 1;
  }
  return static_cast<std::ptrdiff_t>(count / 2);
}

}  // namespace

double mean(std::span<const double> samples) {
  if (samples.empty()) throw InvalidInput{"a statistic was asked of no samples"};
  return std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
}

double standard_deviation(std::span<const double> samples) {
  const double centre = mean(samples);
  if (samples.size() == 1) return 0;
  double sum = 0;
  for (const double s : samples) sum += (s - centre) * (s - centre);
  return std::sqrt(sum / static_cast<double>(samples.size() - 1));
}

double median(std::span<const double> samples) { return quantile(samples, 0.5); }

double quantile(std::span<const double> samples, double p) {
  if (!(p >= 0 && p <= 1)) throw InvalidInput{"a quantile was asked outside [0, 1]"};
  return quantile_of_sorted(sorted(samples), p);
}

double scaled_mad(std::span<const double> samples) {
  const double centre = median(samples);
  std::vector<double> deviations;
  deviations.reserve(samples.size());
  for (const double s : samples) deviations.push_back(std::abs(s - centre));
  return 1.4826 * median(deviations);
}

double relative_median_half_width(std::span<const double> samples, double confidence) {
  const auto ordered = sorted(samples);
  const auto below = static_cast<std::size_t>(
      std::max<std::ptrdiff_t>(0, below_median_interval(ordered.size(), confidence)));
  const double centre = quantile_of_sorted(ordered, 0.5);
  // The longer side, so that median +- half-width contains the interval.
  return std::max(centre - ordered[below], ordered[ordered.size() - 1 - below] - centre) / centre;
}

std::vector<bool> outliers(std::span<const double> samples, double cut) {
  const double centre = median(samples);
  const double spread = scaled_mad(samples);
  std::vector<bool> flags;
  flags.reserve(samples.size());
  for (const double s : samples) flags.push_back(spread > 0 && std::abs(s - centre) > cut * spread);
  return flags;
}

}  // namespace moecal
