// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/flat_csv.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "calibration/deciding_settings.hpp"
#include "calibration/predict.hpp"
#include "calibration/probe_points.hpp"
#include "calibration/routing_conditions.hpp"

namespace moecal::calibration {
namespace {

/// Columns that every file has, in this order.
constexpr std::array<const char*, 12> kNumbers{
    "bytes", "m",       "n",     "k",      "tokens",          "hidden",
    "inter", "experts", "top_k", "groups", "tensor_parallel", "expert_parallel"};

using Names = std::vector<std::string>;

std::string text_of(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

/// A list of devices has commas.
std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"") == std::string::npos) return text;
  std::string field = "\"";
  for (const char c : text) field += c == '"' ? std::string{"\"\""} : std::string{c};
  return field + "\"";
}

std::string row(const Model& model, const MeasuredCall& call, const Names& numbers) {
  const auto& c = model.conditions;
  const auto& point = call.point;
  const auto& routing = call.routing;
  const auto prediction = predict_with(model, point, routing);
  std::string line = model.operation + "," + (model.system.empty() ? model.card : model.system) +
                     "," + c.dtype + "," + std::to_string(c.group);
  for (const auto& name : numbers) {
    line += ",";
    if (point.contains(name)) line += std::to_string(point.at(name));
  }
  for (const double value : {prediction.seconds, prediction.lo, prediction.hi})
    line += "," + text_of(value);
  for (const auto& word : {c.scale_mode, c.placement, c.tier, c.implementation, c.release, c.cache,
                           model.form, prediction.provenance})
    line += "," + word;
  line += "," + std::to_string(c.concurrent_groups);
  const auto loads = name_of_loads(routing);
  return line + "," + routing.distribution + (loads.empty() ? "" : "_" + loads) + "," +
         text_of(routing.exponent) + "," + text_of(routing.capacity_factor) + "," +
         quoted(settings_text(c.settings)) + "," + std::to_string(c.nodes) + "," + c.layout + "," +
         c.output_dtype + "," + c.graph + "\n";
}

/// Calls that differ in their draw alone are one to a reader who has no draw.
std::vector<MeasuredCall> without_draws(std::vector<MeasuredCall> calls) {
  for (auto& call : calls) call.load = {};
  std::ranges::sort(calls);
  calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
  return calls;
}

/// Where a model is asked, and under which routing: its own where that is a condition.
std::vector<MeasuredCall> calls_of(const Model& model, const std::vector<MeasuredCall>& measured) {
  if (!measured.empty()) return without_draws(measured);
  std::vector<MeasuredCall> calls;
  for (auto& point : probe_points(model))
    calls.push_back({std::move(point), model.conditions.routing});
  return calls;
}

bool has_table(const Coefficients& coefficients, const Model& model) {
  for (const auto& other : coefficients.models)
    if (other.form == "log_log_table" && model.form != other.form &&
        other.operation == model.operation && other.card == model.card &&
        other.system == model.system && other.conditions == model.conditions)
      return true;
  return false;
}

/// Rows of a file before its columns are known.
using Rows = std::vector<std::pair<const Model*, MeasuredCall>>;

Rows rows_of(const Coefficients& coefficients,
             const std::map<std::string, std::vector<MeasuredCall>>& calls) {
  Rows rows;
  for (const auto& model : coefficients.models) {
    // Of a joint model any group could be asked: the table holds those that were measured.
    if (has_table(coefficients, model) || model.conditions.group == kAnyGroup) continue;
    const auto measured = calls.find(model.id);
    for (auto& call :
         calls_of(model, measured == calls.end() ? std::vector<MeasuredCall>{} : measured->second))
      rows.emplace_back(&model, std::move(call));
  }
  return rows;
}

/// What tells rows of one model apart: after the columns of every file those that some point needs.
Names numbers_of(const Rows& rows) {
  Names names{kNumbers.begin(), kNumbers.end()};
  std::set<std::string> others;
  for (const auto& [model, call] : rows)
    for (const auto& [name, value] : call.point) others.insert(name);
  for (const char* name : kNumbers) others.erase(name);
  names.insert(names.end(), others.begin(), others.end());
  return names;
}

}  // namespace

std::string to_flat_csv(const Coefficients& coefficients,
                        const std::map<std::string, std::vector<MeasuredCall>>& calls) {
  const auto rows = rows_of(coefficients, calls);
  const auto numbers = numbers_of(rows);
  std::string csv = kFlatCsvStart;
  for (const auto& name : numbers) csv += "," + name;
  csv +=
      ",seconds,lo,hi,scale_mode,placement,tier,implementation,release,cache,form,provenance,"
      "concurrent_groups,routing,exponent,capacity_factor,settings,nodes,layout,output_dtype,"
      "graph\n";
  for (const auto& [model, call] : rows) csv += row(*model, call, numbers);
  return csv;
}

}  // namespace moecal::calibration
