// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/loads.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>
#include <random>
#include <vector>

namespace moecal::planning {
namespace {

constexpr std::uint64_t kSeed = 20240607;
constexpr int kNormalDraws = 20000;  // standard error of the ratios below: under 0.05 %
constexpr int kUniformDraws = 32;

// Uniform in (0, 1): the standard fixes mt19937_64's bits but not its distributions' algorithms.
double uniform(std::mt19937_64& engine) {
  return (static_cast<double>(engine() >> 11) + 0.5) * 0x1p-53;
}

double normal(std::mt19937_64& engine) {
  const double radius = std::sqrt(-2 * std::log(uniform(engine)));
  return radius * std::cos(2 * std::numbers::pi * uniform(engine));
}

double mean_of(const std::vector<double>& loads) {
  return std::accumulate(loads.begin(), loads.end(), 0.0) / static_cast<double>(loads.size());
}

// Mean of `statistic` over draws of normal loads with mean 1.
double over_normal_loads(double experts, double cv,
                         const std::function<double(const std::vector<double>&)>& statistic) {
  std::mt19937_64 engine{kSeed};
  std::vector<double> loads(static_cast<std::size_t>(experts));
  double sum = 0;
  for (int draw = 0; draw < kNormalDraws; ++draw) {
    for (double& load : loads) load = std::max(0.0, 1 + cv * normal(engine));
    sum += statistic(loads);
  }
  return sum / kNormalDraws;
}

}  // namespace

double uniform_load_cv(double tokens, double experts, double top_k) {
  const double share = top_k / experts;
  return std::sqrt(tokens * share * (1 - share)) / (tokens * share);
}

double uniform_load_max_over_mean(double rows, double experts) {
  std::mt19937_64 engine{kSeed};
  std::vector<double> loads(static_cast<std::size_t>(experts));
  double sum = 0;
  for (int draw = 0; draw < kUniformDraws; ++draw) {
    std::fill(loads.begin(), loads.end(), 0);
    for (double row = 0; row < rows; ++row)
      ++loads[static_cast<std::size_t>(uniform(engine) * experts)];
    sum += *std::max_element(loads.begin(), loads.end()) / mean_of(loads);
  }
  return sum / kUniformDraws;
}

double normal_load_mean_over_max(double experts, double cv) {
  return over_normal_loads(experts, cv, [](const auto& loads) {
    return mean_of(loads) / *std::max_element(loads.begin(), loads.end());
  });
}

double normal_load_max_over_mean(double experts, double cv) {
  return over_normal_loads(experts, cv, [](const auto& loads) {
    return *std::max_element(loads.begin(), loads.end()) / mean_of(loads);
  });
}

double normal_load_overflow(double experts, double cv, double capacity) {
  return over_normal_loads(experts, cv, [capacity](const auto& loads) {
    const double limit = capacity * mean_of(loads);
    double over = 0;
    for (const double load : loads) over += std::max(0.0, load - limit);
    return over / (mean_of(loads) * static_cast<double>(loads.size()));
  });
}

}  // namespace moecal::planning
