// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/group_opinions.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// A line through two noisy times may fall to nothing outside of them: not below this share of the
/// nearest.
constexpr double kLeastShare = 0.5;

std::vector<int> groups_of(const SecondsByGroup& seconds) {
  std::vector<int> groups;
  for (const auto& [group, time] : seconds) groups.push_back(group);
  return groups;
}

struct Two {
  double a, b;    // ranks
  double ta, tb;  // seconds
};

Two neighbours_of(const SecondsByGroup& seconds, int group) {
  const auto near = neighbours(groups_of(seconds), group);
  if (near.size() != 2) throw InvalidInput{"a line over group sizes needs two of them"};
  return {static_cast<double>(near[0]), static_cast<double>(near[1]), seconds.at(near[0]),
          seconds.at(near[1])};
}

}  // namespace

std::vector<int> neighbours(std::span<const int> groups, int group) {
  if (groups.size() <= 2) return {groups.begin(), groups.end()};
  const auto above = std::lower_bound(groups.begin(), groups.end(), group) - groups.begin();
  const auto first =
      std::clamp<std::ptrdiff_t>(above - 1, 0, static_cast<std::ptrdiff_t>(groups.size()) - 2);
  return {groups[static_cast<std::size_t>(first)], groups[static_cast<std::size_t>(first) + 1]};
}

bool is_between(std::span<const int> groups, int group) {
  return !groups.empty() && group > groups.front() && group < groups.back();
}

double linear_in_ranks(const SecondsByGroup& seconds, int group) {
  const auto [a, b, ta, tb] = neighbours_of(seconds, group);
  const double line = ta + (tb - ta) * (group - a) / (b - a);
  return std::max(line, kLeastShare * (group > b ? tb : ta));
}

double log_log_in_ranks(const SecondsByGroup& seconds, int group) {
  const auto [a, b, ta, tb] = neighbours_of(seconds, group);
  return ta * std::pow(tb / ta, std::log(group / a) / std::log(b / a));
}

std::vector<int> donor_basis(std::span<const int> groups, int group) {
  const auto near = neighbours(groups, group);
  if (near.size() < 2 || is_between(groups, group)) return near;
  return {group > near.back() ? near.back() : near.front()};
}

double basis_seconds(const SecondsByGroup& seconds, std::span<const int> basis, int group) {
  if (basis.size() == 1) return seconds.at(basis[0]);
  return log_log_in_ranks({{basis[0], seconds.at(basis[0])}, {basis[1], seconds.at(basis[1])}},
                          group);
}

double ratio_at(const DonorRatio& donor, double size) {
  const auto& rows = donor.ratio;
  const auto after = std::upper_bound(rows.begin(), rows.end(), size,
                                      [](double s, const auto& row) { return s < row.first; });
  if (after == rows.begin()) return rows.front().second;
  if (after == rows.end()) return rows.back().second;
  const auto before = after - 1;
  const double share = std::log(size / before->first) / std::log(after->first / before->first);
  return before->second * std::pow(after->second / before->second, share);
}

GroupEstimate unmeasured_group(const SecondsByGroup& seconds, int group, double joint_seconds,
                               const double* donor_ratio) {
  if (const auto own = seconds.find(group); own != seconds.end())
    return {own->second, 0.5 * std::abs(std::log(own->second / joint_seconds))};
  if (seconds.size() < 2) return {joint_seconds, 0};
  const auto basis = donor_basis(groups_of(seconds), group);
  const std::array<double, 3> opinions{joint_seconds, linear_in_ranks(seconds, group),
                                       donor_ratio == nullptr
                                           ? log_log_in_ranks(seconds, group)
                                           : *donor_ratio * basis_seconds(seconds, basis, group)};
  const auto [least, most] = std::minmax_element(opinions.begin(), opinions.end());
  return {median(opinions), 0.5 * std::log(*most / *least)};
}

}  // namespace moecal::calibration
