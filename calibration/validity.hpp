// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "core/point.hpp"

namespace moecal::calibration {

/// The least and the largest of each named number that was measured.
using Validity = std::map<std::string, std::pair<double, double>>;

/// Takes a point in.
void widen(Validity& validity, const Point& point);

/// By how much a number lies outside its range: its multiple of the nearer end; 1 inside.
[[nodiscard]] double times_outside(const std::pair<double, double>& range, double value);

/// Doublings outside of what is valid, of all numbers that have a range together.
[[nodiscard]] double doublings_outside(const Validity& validity, const Point& point);

/// Doublings that a point lies further outside of the measured ones than any of these lies outside
/// of the others: what errors of measured points, left out in turn, do not speak of. With fewer
/// than two, none was left out: all doublings.
[[nodiscard]] double doublings_beyond(std::span<const Point> measured, const Point& point);

/// The nearest whole number, e.g. to the end of a range; of what is past the largest that one.
[[nodiscard]] std::int64_t whole_number(double value);

}  // namespace moecal::calibration
