// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "calibration/form.hpp"
#include "evaluation/task.hpp"

namespace moecal::evaluation {

/// What others do, for comparison: fitted to the same seen rows and asked about the same unseen
/// ones. They make no intervals.
struct Baseline {
  std::string name;  // "baseline: ..."
  Predictor predictor;
};

/// Of a measured group size, each curve (operation, dtype, group) by itself: one alpha-beta by
/// least squares and by log error, two and three segments, log-log interpolation between
/// neighbours.
inline constexpr char kLogLogInterpolation[] = "baseline: log-log interpolation";
[[nodiscard]] std::vector<Baseline> baselines_of_sizes(const ObservationFile& seen);

/// Of a group size that was never measured: the nearest one's time by the bus factor (n-1)/n or
/// 2 (n-1)/n, one alpha-beta with its latency linear in n-1 over all groups, and log-log
/// interpolation in n at each size.
[[nodiscard]] std::vector<Baseline> baselines_of_groups(const ObservationFile& seen);

/// Curves of observations: what the baselines are fitted to.
class Curves {
 public:
  explicit Curves(const ObservationFile& seen);
  [[nodiscard]] const std::vector<calibration::FitPoint>& of(const Observation& call) const;
  /// Every curve, as (key, points in the order of their sizes).
  using Key = std::tuple<std::string, std::string, int>;  // operation, dtype, group
  [[nodiscard]] const std::map<Key, std::vector<calibration::FitPoint>>& all() const {
    return curves_;
  }
  [[nodiscard]] static Key key_of(const Observation& o);

 private:
  std::map<Key, std::vector<calibration::FitPoint>> curves_;
};

}  // namespace moecal::evaluation
