// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/segmented_latency_bandwidth.hpp"

#include "calibration/piecewise.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

std::string slope_name(std::size_t segment) {
  return "inverse_bandwidth_" + std::to_string(segment + 1);
}

Piecewise line_of(const Model& model) {
  Piecewise line;
  line.latency = parameter(model, "latency");
  line.knots = model.knots;
  for (std::size_t j = 0; j <= model.knots.size(); ++j)
    line.slopes.push_back(parameter(model, slope_name(j)));
  return line;
}

double seconds(const Model& model, const Inputs& inputs) {
  return piecewise_seconds(line_of(model), inputs.size);
}

std::unique_ptr<PreparedForm> prepare_line(const Model& model) {
  return prepared_function(
      [line = line_of(model)](const Inputs& call) { return piecewise_seconds(line, call.size); });
}

}  // namespace

Form segmented_latency_bandwidth_form() {
  return {"segmented_latency_bandwidth",
          {{"latency", "s"},
           {"inverse_bandwidth_1", "s/B"},
           {"inverse_bandwidth_2", "s/B", false},
           {"inverse_bandwidth_3", "s/B", false},
           {"last_rate_spread", "1", false}},
          seconds,
          prepare_line};
}

Model fit_segmented_latency_bandwidth(std::span<const FitPoint> points, int segments) {
  const auto line = fit_piecewise(points, segments);
  Model model;
  model.form = "segmented_latency_bandwidth";
  model.parameters.push_back({"latency", line.latency, "s", line.latency_error});
  for (std::size_t j = 0; j < line.slopes.size(); ++j)
    model.parameters.push_back({slope_name(j), line.slopes[j], "s/B", line.slope_errors[j]});
  model.knots = line.knots;
  return model;
}

}  // namespace moecal::calibration
