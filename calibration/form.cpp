// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/form.hpp"

#include <algorithm>
#include <cmath>

#include "calibration/expert_exchange.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/grouped_gemms.hpp"
#include "calibration/latency_bandwidth.hpp"
#include "calibration/log_log_table.hpp"
#include "calibration/overlap.hpp"
#include "calibration/prepared_residual.hpp"
#include "calibration/residual.hpp"
#include "calibration/roofline.hpp"
#include "calibration/saturating_roofline.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "calibration/skewed_latency_bandwidth.hpp"
#include "calibration/tile_wave.hpp"
#include "core/error.hpp"

namespace moecal::calibration {

std::span<const Form> all_forms() {
  static const std::vector<Form> kForms{expert_exchange_form(),
                                        group_scaling_form(),
                                        grouped_gemms_form(),
                                        latency_bandwidth_form(),
                                        log_log_table_form(),
                                        overlap_form(),
                                        pooled_curve_form(),
                                        roofline_form(),
                                        saturating_roofline_form(),
                                        segmented_latency_bandwidth_form(),
                                        skewed_latency_bandwidth_form(),
                                        tile_wave_form()};
  return kForms;
}

const Form& form(std::string_view name) {
  for (const auto& candidate : all_forms())
    if (candidate.name == name) return candidate;
  std::string known;
  for (const auto& candidate : all_forms()) known += " " + std::string{candidate.name};
  throw InvalidInput{"unknown form '" + std::string{name} + "'; known:" + known};
}

namespace {

/// Of the compact form alone. Prepared forms have the very numbers of their equations, but for
/// tables: those take logarithms in another way.
std::vector<double> compact_seconds(const Model& model, std::span<const Inputs> calls) {
  const auto& of = form(model.form);
  std::vector<double> seconds(calls.size());
  if (calls.size() > 1 && of.prepare != nullptr && model.table.empty())
    of.prepare(model)->seconds(calls, seconds);
  else
    std::transform(calls.begin(), calls.end(), seconds.begin(),
                   [&](const Inputs& inputs) { return of.seconds(model, inputs); });
  return seconds;
}

}  // namespace

double evaluate(const Model& model, const Inputs& inputs) {
  if (!model.residual) return form(model.form).seconds(model, inputs);
  return evaluate(model, std::span{&inputs, 1}).front();
}

std::vector<double> evaluate(const Model& model, std::span<const Inputs> calls) {
  auto seconds = compact_seconds(model, calls);
  if (!model.residual) return seconds;
  const auto corrections = log_corrections(*model.residual, calls, seconds);
  for (std::size_t i = 0; i < seconds.size(); ++i) seconds[i] *= std::exp(corrections[i]);
  return seconds;
}

namespace {

std::unique_ptr<PreparedForm> prepare_compact(const Model& model) {
  const auto& of = form(model.form);
  if (of.prepare != nullptr) return of.prepare(model);
  return prepared_function(
      [&model, seconds = of.seconds](const Inputs& inputs) { return seconds(model, inputs); });
}

}  // namespace

std::unique_ptr<PreparedForm> prepare(const Model& model) {
  if (!model.residual) return prepare_compact(model);
  return std::make_unique<PreparedCorrection>(prepare_compact(model), *model.residual);
}

double parameter_or(const Model& model, std::string_view name, double fallback) {
  const auto found = std::find_if(model.parameters.begin(), model.parameters.end(),
                                  [&](const Parameter& p) { return p.name == name; });
  return found == model.parameters.end() ? fallback : found->value;
}

double parameter(const Model& model, std::string_view name) {
  for (const auto& candidate : model.parameters)
    if (candidate.name == name) return candidate.value;
  throw InvalidInput{"model '" + model.id + "' lacks the parameter '" + std::string{name} + "'"};
}

}  // namespace moecal::calibration
