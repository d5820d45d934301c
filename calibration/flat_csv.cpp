// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/flat_csv.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "calibration/features.hpp"
#include "calibration/predict.hpp"

namespace moecal::calibration {
namespace {

constexpr std::array<const char*, 9> kNumbers{"bytes",  "m",       "n",     "k",     "tokens",
                                              "hidden", "experts", "top_k", "groups"};

std::string text_of(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

/// Powers of the base within [low, high], and both ends.
std::vector<std::int64_t> ladder(std::pair<double, double> range, int base) {
  std::vector<std::int64_t> values{std::llround(range.first)};
  std::int64_t power = 1;
  while (static_cast<double>(power) <= range.first) power *= base;
  for (; static_cast<double>(power) < range.second; power *= base) values.push_back(power);
  if (range.second > range.first) values.push_back(std::llround(range.second));
  return values;
}

/// A transfer's table is in the sizes of its points; other tables are in bytes moved.
bool table_is_of_points(const Model& model) {
  return !model.table.empty() && family_of(model.operation, {{"bytes", 1}}) == Family::transfer;
}

std::vector<std::int64_t> values_of(const Model& model, std::pair<double, double> range) {
  if (!table_is_of_points(model)) return ladder(range, model.validity.size() == 1 ? 2 : 4);
  std::vector<std::int64_t> values;
  for (const auto& [size, seconds] : model.table) values.push_back(std::llround(size));
  return values;
}

std::vector<Point> points_of(const Model& model) {
  std::vector<Point> points{{}};
  for (const auto& [name, range] : model.validity) {
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

std::string row(const Model& model, const Point& point, const Prediction& prediction) {
  const auto& c = model.conditions;
  std::string line = model.operation + "," + (model.system.empty() ? model.card : model.system) +
                     "," + c.dtype + "," + std::to_string(c.group);
  for (const char* name : kNumbers) {
    line += ",";
    if (point.contains(name)) line += std::to_string(point.at(name));
  }
  for (const double value : {prediction.seconds, prediction.lo, prediction.hi})
    line += "," + text_of(value);
  for (const auto& word : {c.scale_mode, c.placement, c.tier, c.implementation, c.release, c.cache,
                           model.form, prediction.provenance})
    line += "," + word;
  line += "," + std::to_string(c.concurrent_groups);
  return line + "," + c.routing.distribution + "," + text_of(c.routing.exponent) + "," +
         text_of(c.routing.capacity_factor) + "\n";
}

bool has_table(const Coefficients& coefficients, const Model& model) {
  for (const auto& other : coefficients.models)
    if (other.form == "log_log_table" && model.form != other.form &&
        other.operation == model.operation && other.card == model.card &&
        other.system == model.system && other.conditions == model.conditions)
      return true;
  return false;
}

}  // namespace

std::string to_flat_csv(const Coefficients& coefficients) {
  std::string csv = "operation,system,dtype,group";
  for (const char* name : kNumbers) csv += std::string{","} + name;
  csv +=
      ",seconds,lo,hi,scale_mode,placement,tier,implementation,release,cache,form,provenance,"
      "concurrent_groups,routing,exponent,capacity_factor\n";
  for (const auto& model : coefficients.models) {
    if (has_table(coefficients, model)) continue;
    for (const auto& point : points_of(model)) csv += row(model, point, predict_with(model, point));
  }
  return csv;
}

}  // namespace moecal::calibration
