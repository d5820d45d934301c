// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/sizes_left_out.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace moecal::calibration {
namespace {

/// Whole points, under all their routings. A capacity takes a few bytes from a point, and leaves it
/// of the size that its fold goes by.
std::vector<int> folds_by_point(const Series& series) {
  std::map<Point, double> size_of;
  for (std::size_t i = 0; i < series.calls.size(); ++i) {
    auto& size = size_of[series.calls[i].point];
    size = std::max(size, series.points[i].inputs.size);
  }
  auto points = series.points;
  for (std::size_t i = 0; i < points.size(); ++i)
    points[i].inputs.size = size_of.at(series.calls[i].point);
  return folds_by_size(points, kSizeFolds);
}

/// Of each point the worse of two errors, or the one it has.
std::vector<HeldOut> worse_of_each(std::vector<HeldOut> errors,
                                   const std::vector<HeldOut>& others) {
  for (const auto& other : others) {
    const auto same = std::ranges::find(errors, other.point, &HeldOut::point);
    if (same == errors.end())
      errors.push_back(other);
    else if (std::abs(other.log_ratio) > std::abs(same->log_ratio))
      *same = other;
  }
  return errors;
}

}  // namespace

std::vector<HeldOut> with_sizes_left_out(const Series& series, std::vector<HeldOut> held_out,
                                         const FitFunction& fit) {
  return worse_of_each(std::move(held_out),
                       cross_validate(series.points, folds_by_point(series), fit));
}

}  // namespace moecal::calibration
