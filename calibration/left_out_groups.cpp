// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/left_out_groups.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "calibration/group_opinions.hpp"
#include "calibration/group_scaling.hpp"

namespace moecal::calibration {
namespace {

/// What an error is beyond the disagreement of the ways to see the group: predict() adds the two
/// as hypot(), so the point is covered where this is.
double excess(double error, double disagreement) {
  return std::sqrt(std::max(0.0, error * error - disagreement * disagreement));
}

/// Errors of predicting one group that was left out, from `here`, as predict() does.
std::vector<HeldOut> errors_of(const GroupCurve& unseen, const GroupCurves& here,
                               const std::vector<GroupCurves>& donors) {
  const auto joint = fit_group_scaling(points_of(here));
  const auto donor = donor_ratio(donors, here, unseen.ranks);
  std::vector<HeldOut> errors;
  for (const auto& point : unseen.points) {
    const auto seconds = seconds_at(here, point.inputs.size);
    if (seconds.size() < here.size()) continue;
    const double ratio = donor.ratio.empty() ? 1 : ratio_at(donor, point.inputs.size);
    const auto estimate = unmeasured_group(seconds, unseen.ranks, evaluate(joint, point.inputs),
                                           donor.ratio.empty() ? nullptr : &ratio);
    errors.push_back({point.inputs.size,
                      excess(std::log(estimate.seconds / point.seconds), estimate.disagreement)});
  }
  return errors;
}

/// Leaves out `unseen`. Whether there was a point to err at.
bool take(const GroupCurve& unseen, const GroupCurves& here, const std::vector<GroupCurves>& donors,
          GroupErrors& errors) {
  const auto more = errors_of(unseen, here, donors);
  auto& kind = is_between(groups_of(here), unseen.ranks) ? errors.between : errors.past;
  kind.insert(kind.end(), more.begin(), more.end());
  return !more.empty();
}

bool has_all(const GroupCurves& curves, std::span<const int> groups) {
  return std::all_of(groups.begin(), groups.end(), [&](int g) { return curves.contains(g); });
}

GroupCurves restricted(const GroupCurves& curves, std::span<const int> groups) {
  GroupCurves result;
  for (const int group : groups) result.emplace(group, curves.at(group));
  return result;
}

}  // namespace

void leave_out_own(const GroupCurves& here, const std::vector<GroupCurves>& donors,
                   GroupErrors& errors) {
  if (here.size() < 3) return;
  for (const auto& [group, curve] : here) {
    auto others = here;
    others.erase(group);
    take(*curve, others, donors, errors);
  }
}

std::size_t leave_out_at_donors(const GroupCurves& here, const std::vector<GroupCurves>& donors,
                                GroupErrors& errors) {
  std::size_t lenders = 0;
  const auto groups = groups_of(here);
  if (groups.size() < 2) return lenders;
  for (std::size_t i = 0; i < donors.size(); ++i) {
    if (!has_all(donors[i], groups)) continue;
    auto others = donors;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    bool lent = false;
    for (const auto& [group, curve] : donors[i])
      if (!here.contains(group))
        lent = take(*curve, restricted(donors[i], groups), others, errors) || lent;
    if (lent) ++lenders;
  }
  return lenders;
}

}  // namespace moecal::calibration
