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

// Inverse of the standard normal distribution function, by bisection on erfc: called once per
// point.
double normal_quantile(double p) {
  double lo = -10, hi = 10;
  for (int i = 0; i < 80; ++i) {
    const double mid = 0.5 * (lo + hi);
    (0.5 * std::erfc(-mid / std::sqrt(2.0)) < p ? lo : hi) = mid;
  }
  return 0.5 * (lo + hi);
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
  const double n = static_cast<double>(ordered.size());
  const double z = normal_quantile(0.5 + 0.5 * confidence);
  const double half_ranks =
      0.5 * z * std::sqrt(n) / n;  // order statistics around the median, as quantiles
  const double lo = quantile_of_sorted(ordered, std::clamp(0.5 - half_ranks, 0.0, 1.0));
  const double hi = quantile_of_sorted(ordered, std::clamp(0.5 + half_ranks, 0.0, 1.0));
  return 0.5 * (hi - lo) / quantile_of_sorted(ordered, 0.5);
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
