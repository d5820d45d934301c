// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/group_curves.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "calibration/log_log_table.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// Of what was measured.
std::optional<double> ratio_of(const GroupCurves& donor, std::span<const int> basis, int group,
                               double size) {
  SecondsByGroup seconds;
  for (const auto& [ranks, curve] : donor)
    if (curve->has(size)) seconds[ranks] = curve->measured(size);
  const bool all =
      std::all_of(basis.begin(), basis.end(), [&](int needed) { return seconds.contains(needed); });
  if (!all || !seconds.contains(group)) return std::nullopt;
  return seconds.at(group) / basis_seconds(seconds, basis, group);
}

}  // namespace

bool GroupCurve::has(double size) const {
  return size >= table.table.front().first && size <= table.table.back().first;
}

double GroupCurve::measured(double size) const { return evaluate(table, {.size = size}); }

double GroupCurve::seconds(double size) const { return evaluate(asked, {.size = size}); }

GroupCurve group_curve(const Series& series) {
  GroupCurve curve{series.conditions.group,
                   series.conditions.nodes,
                   series.points,
                   fit_log_log_table(series.points),
                   {}};
  curve.asked = curve.table;
  for (auto& point : curve.points) {
    point.inputs.ranks = curve.ranks;
    point.inputs.nodes = curve.nodes;
  }
  return curve;
}

std::vector<int> groups_of(const GroupCurves& curves) {
  std::vector<int> groups;
  for (const auto& [group, curve] : curves) groups.push_back(group);
  return groups;
}

SecondsByGroup seconds_at(const GroupCurves& curves, double size) {
  SecondsByGroup seconds;
  for (const auto& [group, curve] : curves)
    if (curve->has(size)) seconds[group] = curve->seconds(size);
  return seconds;
}

std::vector<FitPoint> points_of(const GroupCurves& curves) {
  std::vector<FitPoint> points;
  for (const auto& [group, curve] : curves)
    points.insert(points.end(), curve->points.begin(), curve->points.end());
  return points;
}

DonorRatio donor_ratio(const std::vector<GroupCurves>& donors, const GroupCurves& here, int group) {
  DonorRatio result{group, donor_basis(groups_of(here), group), {}};
  for (const auto& [size, unused] : here.at(result.from.back())->table.table) {
    std::vector<double> ratios;
    for (const auto& donor : donors)
      if (const auto ratio = ratio_of(donor, result.from, group, size)) ratios.push_back(*ratio);
    if (!ratios.empty()) result.ratio.emplace_back(size, median(ratios));
  }
  return result;
}

std::vector<DonorRatio> ratios_of_unmeasured(const GroupCurves& here,
                                             const std::vector<GroupCurves>& donors) {
  std::set<int> unmeasured;
  for (const auto& donor : donors)
    for (const auto& [group, curve] : donor)
      if (!here.contains(group)) unmeasured.insert(group);
  std::vector<DonorRatio> ratios;
  for (const int group : unmeasured) {
    auto ratio = donor_ratio(donors, here, group);
    if (!ratio.ratio.empty()) ratios.push_back(std::move(ratio));
  }
  return ratios;
}

}  // namespace moecal::calibration
