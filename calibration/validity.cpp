// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/validity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace moecal::calibration {

void widen(Validity& validity, const Point& point) {
  for (const auto& [name, value] : point) {
    const auto number = static_cast<double>(value);
    auto& range = validity.try_emplace(name, number, number).first->second;
    range = {std::min(range.first, number), std::max(range.second, number)};
  }
}

double times_outside(const std::pair<double, double>& range, double value) {
  const auto [low, high] = range;
  const double asked = std::max(value, 0.5);
  return asked > high ? asked / high : asked < low ? low / asked : 1;
}

double doublings_outside(const Validity& validity, const Point& point) {
  double doublings = 0;
  for (const auto& [name, value] : point)
    if (const auto range = validity.find(name); range != validity.end())
      doublings += std::log2(times_outside(range->second, static_cast<double>(value)));
  return doublings;
}

double doublings_beyond(std::span<const Point> measured, const Point& point) {
  Validity all;
  for (const auto& one : measured) widen(all, one);
  double farthest = 0;
  for (std::size_t left_out = 0; left_out < measured.size(); ++left_out) {
    Validity others;
    for (std::size_t i = 0; i < measured.size(); ++i)
      if (i != left_out) widen(others, measured[i]);
    farthest = std::max(farthest, doublings_outside(others, measured[left_out]));
  }
  return std::max(0.0, doublings_outside(all, point) - farthest);
}

std::int64_t whole_number(double value) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  // As a real number the largest is rounded up, past itself.
  return value >= static_cast<double>(kMost) ? kMost : std::llround(value);
}

}  // namespace moecal::calibration
