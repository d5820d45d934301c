// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/latency_bandwidth.hpp"

#include <algorithm>

#include "calibration/piecewise.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

double seconds(const Model& model, const Inputs& inputs) {
  const double rate = parameter(model, "bandwidth"), size = inputs.size;
  const double latency = parameter(model, "latency");
  if (model.knots.empty()) return latency + size / rate;
  const double in_cache = std::min(size, model.knots.front());
  return latency + in_cache / parameter(model, "cache_bandwidth") + (size - in_cache) / rate;
}

std::unique_ptr<PreparedForm> prepare_rates(const Model& model) {
  const double latency = parameter(model, "latency"), rate = parameter(model, "bandwidth");
  if (model.knots.empty())
    return prepared_function([=](const Inputs& call) { return latency + call.size / rate; });
  return prepared_function([=, cache = parameter(model, "cache_bandwidth"),
                            knot = model.knots.front()](const Inputs& call) {
    const double in_cache = std::min(call.size, knot);
    return latency + in_cache / cache + (call.size - in_cache) / rate;
  });
}

/// A slope and its error as a rate and its error.
Parameter rate(const std::string& name, double slope, double error) {
  const double bounded = std::max(slope, kLeastSlope);
  return {name, 1 / bounded, "B/s", error / (bounded * bounded)};
}

}  // namespace

Form latency_bandwidth_form() {
  return {"latency_bandwidth",
          {{"latency", "s"}, {"bandwidth", "B/s"}, {"cache_bandwidth", "B/s", false}},
          seconds,
          prepare_rates};
}

Model fit_latency_bandwidth(std::span<const FitPoint> points, int rates) {
  const auto line = fit_piecewise(points, rates);
  Model model;
  model.form = "latency_bandwidth";
  model.parameters = {{"latency", line.latency, "s", line.latency_error},
                      rate("bandwidth", line.slopes.back(), line.slope_errors.back())};
  if (!line.knots.empty())
    model.parameters.push_back(
        rate("cache_bandwidth", line.slopes.front(), line.slope_errors.front()));
  model.knots = line.knots;
  return model;
}

}  // namespace moecal::calibration
