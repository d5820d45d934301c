// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "calibration/series.hpp"

namespace moecal::calibration {

/// Joint models over group size (calibration/group_scaling.hpp), one for each collective that was
/// measured over at least two groups of a system under equal conditions. `donors` are series of
/// other systems: where they have a group that was not measured here, what it costs over the groups
/// that both have is taken from them, in another dtype where that is all one
/// (calibration/group_donors.hpp). The intervals come from groups left out in turn, here and at
/// the donors, and predicted as an unmeasured one is. Identity, validity and quantiles are filled
/// in; observation ids are left to the caller. `threads`: 0: one a core; the result is the same.
struct JointFit {
  Model model;
  std::vector<std::string> observation_ids;
  bool imported = false;
};
/// `compact`: predictions will ask compact forms of the groups measured, and the intervals are of
/// what those come to; else tables.
[[nodiscard]] std::vector<JointFit> fit_joint_models(std::span<const Series> own,
                                                     std::span<const Series> donors,
                                                     int threads = 0, bool compact = false);

}  // namespace moecal::calibration
