// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <span>
#include <vector>

#include "calibration/group_opinions.hpp"
#include "calibration/series.hpp"

namespace moecal::calibration {

/// What was measured of one group of ranks: its points with ranks and nodes, the same as a table,
/// and the model that a prediction will ask.
struct GroupCurve {
  int ranks = 0, nodes = 1;
  std::vector<FitPoint> points;
  Model table, asked;

  /// Whether `size`, bytes, lies inside what was measured.
  [[nodiscard]] bool has(double size) const;
  /// By the table.
  [[nodiscard]] double measured(double size) const;
  /// By what a prediction will ask.
  [[nodiscard]] double seconds(double size) const;
};

/// Of the points of a series; predictions ask its table.
[[nodiscard]] GroupCurve group_curve(const Series& series);

/// Groups of one tier by ranks.
using GroupCurves = std::map<int, const GroupCurve*>;

[[nodiscard]] std::vector<int> groups_of(const GroupCurves& curves);
[[nodiscard]] std::vector<FitPoint> points_of(const GroupCurves& curves);
/// Of the groups that were measured at `size`.
[[nodiscard]] SecondsByGroup seconds_at(const GroupCurves& curves, double size);

/// What `group` costs over the groups measured here: the donors' median at the sizes of the nearest
/// measured group. Without sizes where no donor has them all.
[[nodiscard]] DonorRatio donor_ratio(const std::vector<GroupCurves>& donors,
                                     const GroupCurves& here, int group);
/// Of each group that a donor has and that was not measured here.
[[nodiscard]] std::vector<DonorRatio> ratios_of_unmeasured(const GroupCurves& here,
                                                           const std::vector<GroupCurves>& donors);

}  // namespace moecal::calibration
