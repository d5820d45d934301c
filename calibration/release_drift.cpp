// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/release_drift.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "calibration/releases.hpp"
#include "calibration/selection.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// Seconds in the later series over those in the earlier, at points both have.
std::vector<double> ratios(const Series& earlier, const Series& later) {
  std::map<MeasuredCall, double> seconds;
  for (std::size_t i = 0; i < earlier.points.size(); ++i)
    seconds[earlier.calls[i]] = earlier.points[i].seconds;
  std::vector<double> all;
  for (std::size_t i = 0; i < later.points.size(); ++i)
    if (const auto found = seconds.find(later.calls[i]); found != seconds.end())
      all.push_back(later.points[i].seconds / found->second);
  return all;
}

std::string id_without_release(const Series& series) {
  Series same;
  same.operation = series.operation;
  same.card = series.card;
  same.system = series.system;
  same.conditions = series.conditions;
  same.conditions.release.clear();
  return same.id();
}

/// Of one row of the table: operation, machine, implementation, from, to.
using Key = std::tuple<std::string, std::string, std::string, std::string, std::string>;

ReleaseDrift drift_of(const Key& key, const std::vector<double>& ratios) {
  const auto& [operation, machine, implementation, from, to] = key;
  return {operation,
          machine,
          implementation,
          from,
          to,
          median(ratios),
          quantile(ratios, 0.05),
          quantile(ratios, 0.95),
          static_cast<int>(ratios.size())};
}

}  // namespace

std::vector<ReleaseDrift> release_drift(std::span<const Series> series) {
  std::map<std::string, std::vector<const Series*>> families;
  for (const auto& one : series)
    if (names_release(one.conditions.release)) families[id_without_release(one)].push_back(&one);
  std::map<Key, std::vector<double>> rows;
  for (auto& [id, releases] : families) {
    std::stable_sort(releases.begin(), releases.end(), [](const Series* a, const Series* b) {
      return compare_releases(a->conditions.release, b->conditions.release) < 0;
    });
    for (std::size_t i = 0; i + 1 < releases.size(); ++i) {
      const auto &a = *releases[i], &b = *releases[i + 1];
      for (const auto& operation : {a.operation, std::string{"all"}}) {
        auto& row = rows[{operation, machine_of(a), a.conditions.implementation,
                          a.conditions.release, b.conditions.release}];
        const auto more = ratios(a, b);
        row.insert(row.end(), more.begin(), more.end());
      }
    }
  }
  std::vector<ReleaseDrift> table;
  for (const auto& [key, all] : rows)
    if (!all.empty()) table.push_back(drift_of(key, all));
  return table;
}

std::vector<std::string> without_release(std::span<const Series> series) {
  std::set<std::string> named;
  for (const auto& one : series)
    if (names_release(one.conditions.release)) named.insert(id_without_release(one));
  std::vector<std::string> ids;
  for (const auto& one : series)
    if (!names_release(one.conditions.release) && named.contains(id_without_release(one)))
      ids.push_back(one.id());
  return ids;
}

}  // namespace moecal::calibration
