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

SwitchBracket bracket_at(const Table& table, std::size_t i) {
  // Beside the ends of the table a curve is taken to be flat below and proportional above.
  return {{table[i].first, table[i + 1].first},
          {table[i].second, table[i + 1].second},
          {i == 0 ? 0 : slope(table, i - 1), i + 2 < table.size() ? slope(table, i + 1) : 1}};
}

bool is_inside(const SwitchBracket& bracket, double size) {
  return size > bracket.bytes.first && size < bracket.bytes.second;
}

std::optional<SwitchBracket> bracket_around(const Model& model, double size) {
  const auto& table = model.table;
  for (const auto& bracket : model.switches)
    if (table.empty() && is_inside(bracket, size)) return bracket;
  const auto after = std::lower_bound(table.begin(), table.end(), size,
                                      [](const auto& row, double s) { return row.first < s; });
  if (after == table.begin() || after == table.end() || after->first == size) return std::nullopt;
  const auto i = static_cast<std::size_t>(after - table.begin()) - 1;
  return is_switch(table, i) ? std::optional{bracket_at(table, i)} : std::nullopt;
}

}  // namespace

double Switch::middle() const { return std::round(std::sqrt(below * above)); }

std::int64_t Switch::size_to_measure() const {
  int exponent = 0;
  static_cast<void>(std::frexp(middle(), &exponent));
  const double unit = std::ldexp(1, std::max(exponent - 5, 0));
  return static_cast<std::int64_t>(std::round(middle() / unit) * unit);
}

std::vector<SwitchBracket> brackets_of(const Table& table) {
  std::vector<SwitchBracket> brackets;
  for (std::size_t i = 0; i + 1 < table.size(); ++i)
    if (is_switch(table, i)) brackets.push_back(bracket_at(table, i));
  return brackets;
}

std::vector<Switch> switches_of(const Table& table) {
  std::vector<Switch> switches;
  for (const auto& [bytes, seconds, slopes] : brackets_of(table))
    switches.push_back({bytes.first, bytes.second});
  return switches;
}

std::vector<Switch> switches_in(const Model& model) {
  if (!model.table.empty()) return switches_of(model.table);
  std::vector<Switch> switches;
  for (const auto& [bytes, seconds, slopes] : model.switches)
    switches.push_back({bytes.first, bytes.second});
  return switches;
}

std::optional<SwitchDoubt> switch_doubt(const Model& model, double size) {
  const auto bracket = bracket_around(model, size);
  if (!bracket) return std::nullopt;
  const auto& [bytes, seconds, slopes] = *bracket;
  return SwitchDoubt{{bytes.first, bytes.second},
                     seconds.first * std::pow(size / bytes.first, slopes.first),
                     seconds.second * std::pow(size / bytes.second, slopes.second)};
}

double half_width_around(const SwitchDoubt& doubt, double seconds) {
  return std::max(std::abs(std::log(doubt.lower_protocol / seconds)),
                  std::abs(std::log(doubt.upper_protocol / seconds)));
}

}  // namespace moecal::calibration
