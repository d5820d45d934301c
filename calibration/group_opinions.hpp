// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// What is known of one size of message: seconds by group size, all of one tier.
using SecondsByGroup = std::map<int, double>;

/// The measured groups that an unmeasured one leans on: the nearest on either side, or the two
/// nearest where it lies outside of them. Ascending; one where only one was measured.
[[nodiscard]] std::vector<int> neighbours(std::span<const int> groups, int group);

/// Whether the group lies between the least and the largest of them.
[[nodiscard]] bool is_between(std::span<const int> groups, int group);

/// Time linear in the number of ranks through the neighbours. Needs at least two groups.
[[nodiscard]] double linear_in_ranks(const SecondsByGroup& seconds, int group);

/// The same of log time over log ranks.
[[nodiscard]] double log_log_in_ranks(const SecondsByGroup& seconds, int group);

/// What a donor's ratio is taken over: the nearest measured group, or between two the log-log
/// interpolation.
[[nodiscard]] std::vector<int> donor_basis(std::span<const int> groups, int group);
[[nodiscard]] double basis_seconds(const SecondsByGroup& seconds, std::span<const int> basis,
                                   int group);

/// The ratio at a size: log-log between its rows, constant outside.
[[nodiscard]] double ratio_at(const DonorRatio& donor, double size);

struct GroupEstimate {
  double seconds = 0;
  double disagreement = 0;  // half the range of the opinions, in log time
};

/// An unmeasured group's time: the median of what three ways of seeing it say, so that one that
/// fails does not decide. They are the joint model (`joint_seconds`), time linear in ranks at this
/// size, and the ratio other systems show (`donor`), or where there is none log-log in ranks. With
/// fewer than two measured groups of the tier the joint model decides alone. A time of the group
/// itself, taken here from other nodes, stands before all of them.
[[nodiscard]] GroupEstimate unmeasured_group(const SecondsByGroup& seconds, int group,
                                             double joint_seconds, const double* donor_ratio);

}  // namespace moecal::calibration
