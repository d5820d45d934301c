// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/switches.hpp"

#include <algorithm>
#include <cmath>

namespace moecal::calibration {
namespace {

/// By how much a step must pass what proportion allows: the noise of good measurements is below it.
constexpr double kStep = 1.1;

using Table = std::vector<std::pair<double, double>>;

bool is_switch(const Table& table, std::size_t i) {
  const double size = table[i + 1].first / table[i].first;
  const double time = table[i + 1].second / table[i].second;
  return time > kStep * size || time < 1 / kStep;
}

/// Slope of log time over log size between rows i and i + 1, within what one protocol can have.
double slope(const Table& table, std::size_t i) {
  const double secant = std::log(table[i + 1].second / table[i].second) /
                        std::log(table[i + 1].first / table[i].first);
  return std::clamp(secant, 0.0, 1.0);
}

double along(const std::pair<double, double>& row, double slope, double size) {
  return row.second * std::pow(size / row.first, slope);
}

}  // namespace

double Switch::middle() const { return std::round(std::sqrt(below * above)); }

std::vector<Switch> switches_of(const Table& table) {
  std::vector<Switch> switches;
  for (std::size_t i = 0; i + 1 < table.size(); ++i)
    if (is_switch(table, i)) switches.push_back({table[i].first, table[i + 1].first});
  return switches;
}

std::optional<SwitchDoubt> switch_doubt(const Model& model, double size) {
  const auto& table = model.table;
  const auto after = std::lower_bound(table.begin(), table.end(), size,
                                      [](const auto& row, double s) { return row.first < s; });
  if (after == table.begin() || after == table.end() || after->first == size) return std::nullopt;
  const auto i = static_cast<std::size_t>(after - table.begin()) - 1;
  if (!is_switch(table, i)) return std::nullopt;
  // Beside the ends of the table a curve is taken to be flat below and proportional above.
  const double before = i == 0 ? 0 : slope(table, i - 1);
  const double beyond = i + 2 < table.size() ? slope(table, i + 1) : 1;
  return SwitchDoubt{{table[i].first, table[i + 1].first},
                     along(table[i], before, size),
                     along(table[i + 1], beyond, size)};
}

double half_width_around(const SwitchDoubt& doubt, double seconds) {
  return std::max(std::abs(std::log(doubt.lower_protocol / seconds)),
                  std::abs(std::log(doubt.upper_protocol / seconds)));
}

}  // namespace moecal::calibration
