// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/run_doubt.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace moecal::calibration {
namespace {

/// (degrees of freedom, 95 % quantile of Student's t); the last is the normal's.
constexpr std::array<std::pair<double, double>, 12> kStudent{{{1, 6.3138},
                                                              {2, 2.9200},
                                                              {3, 2.3534},
                                                              {4, 2.1318},
                                                              {5, 2.0150},
                                                              {6, 1.9432},
                                                              {8, 1.8595},
                                                              {10, 1.8125},
                                                              {15, 1.7531},
                                                              {30, 1.6973},
                                                              {100, 1.6602},
                                                              {1e9, 1.6449}}};

/// Between the entries along the inverse, in which it is nearly straight.
double student95(double freedom) {
  const auto above = std::find_if(kStudent.begin() + 1, kStudent.end() - 1,
                                  [&](const auto& entry) { return entry.first >= freedom; });
  const auto& [more, less_wide] = *above;
  const auto& [fewer, wider] = *(above - 1);
  const double at = 1 / std::clamp(freedom, fewer, more);
  return less_wide + (wider - less_wide) * (at - 1 / more) / (1 / fewer - 1 / more);
}

}  // namespace

double run_doubt(const VarianceComponents& variance) {
  if (variance.runs < 2 || variance.between_runs == 0) return 0;
  // A file of an earlier moecal does not say how many comparisons the figure is made of.
  const double freedom =
      variance.between_freedom > 0 ? variance.between_freedom : variance.runs - 1.0;
  return student95(freedom) * variance.between_runs * std::sqrt(1 + 1.0 / variance.runs);
}

}  // namespace moecal::calibration
