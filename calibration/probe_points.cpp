// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/probe_points.hpp"

#include "calibration/features.hpp"
#include "calibration/validity.hpp"

namespace moecal::calibration {
namespace {

/// Powers of the base within [low, high], and both ends.
std::vector<std::int64_t> ladder(std::pair<double, double> range, int base) {
  std::vector<std::int64_t> values{whole_number(range.first)};
  double power = 1;
  while (power <= range.first) power *= base;
  for (; power < range.second; power *= base) values.push_back(whole_number(power));
  if (range.second > range.first) values.push_back(whole_number(range.second));
  return values;
}

/// A transfer's table is in the sizes of its points; other tables are in bytes moved.
bool table_is_of_points(const Model& model) {
  return !model.table.empty() && family_of(model.operation, {{"bytes", 1}}) == Family::transfer;
}

std::vector<std::int64_t> values_of(const Model& model, std::pair<double, double> range) {
  if (!table_is_of_points(model)) return ladder(range, model.validity.size() == 1 ? 2 : 4);
  std::vector<std::int64_t> values;
  for (const auto& [size, seconds] : model.table) values.push_back(whole_number(size));
  return values;
}

}  // namespace

std::vector<Point> probe_points(const Model& model) {
  if (takes_routing(model.operation) || is_expert_exchange(model.operation)) return {};
  std::vector<Point> points{{}};
  for (const auto& [name, range] : model.validity) {
    // Bytes that follow from the other numbers of a routed exchange, and its routing.
    if (name == "bytes" && model.conditions.any_routing && model.validity.size() > 1) continue;
    std::vector<Point> extended;
    for (const auto& point : points)
      for (const auto value : values_of(model, range)) {
        extended.push_back(point);
        extended.back()[name] = value;
      }
    points = std::move(extended);
  }
  return points;
}

}  // namespace moecal::calibration
