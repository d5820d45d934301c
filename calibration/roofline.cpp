// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/roofline.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "calibration/least_squares.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.1;
constexpr std::size_t kMostRows = 3000;

double roofline_seconds(const std::array<double, 3>& p, const ReferenceRates& rates,
                        const Inputs& inputs) {
  return p[0] + std::max(inputs.flops / rates.flops * p[1], inputs.bytes / rates.memory * p[2]);
}

double seconds(const Model& model, const Inputs& inputs) {
  return roofline_seconds({parameter(model, "t0"), parameter(model, "e1"), parameter(model, "e2")},
                          reference_rates(model), inputs);
}

std::unique_ptr<PreparedForm> prepare_roofline(const Model& model) {
  const std::array<double, 3> p{parameter(model, "t0"), parameter(model, "e1"),
                                parameter(model, "e2")};
  return prepared_function([p, rates = reference_rates(model)](const Inputs& call) {
    return roofline_seconds(p, rates, call);
  });
}

double least_seconds(std::span<const FitPoint> points) {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& point : points) least = std::min(least, point.seconds);
  return least;
}

}  // namespace

ReferenceRates best_observed_rates(std::span<const FitPoint> points) {
  ReferenceRates rates{0, 0, false};
  for (const auto& point : points) {
    rates.flops = std::max(rates.flops, point.inputs.flops / point.seconds);
    rates.memory = std::max(rates.memory, point.inputs.bytes / point.seconds);
  }
  return rates;
}

ReferenceRates reference_rates(const Model& model) {
  const double nominal = parameter_or(model, "nominal_flops", 0);
  if (nominal > 0) return {nominal, parameter(model, "nominal_bandwidth"), true};
  return {parameter(model, "best_observed_flops"), parameter(model, "best_observed_bandwidth"),
          false};
}

std::vector<Parameter> rate_parameters(const ReferenceRates& rates) {
  const std::string kind = rates.nominal ? "nominal" : "best_observed";
  return {{kind + "_flops", rates.flops, "FLOP/s", 0},
          {kind + "_bandwidth", rates.memory, "B/s", 0}};
}

std::vector<ParameterSpec> rate_specs() {
  return {{"nominal_flops", "FLOP/s", false},
          {"nominal_bandwidth", "B/s", false},
          {"best_observed_flops", "FLOP/s", false},
          {"best_observed_bandwidth", "B/s", false}};
}

Form roofline_form() {
  Form form{"roofline", {{"t0", "s"}, {"e1", "1"}, {"e2", "1"}}, seconds, prepare_roofline};
  for (const auto& spec : rate_specs()) form.parameters.push_back(spec);
  return form;
}

std::vector<FitPoint> thin(std::span<const FitPoint> points, std::size_t most) {
  if (points.size() <= most) return {points.begin(), points.end()};
  std::vector<FitPoint> kept;
  kept.reserve(most);
  for (std::size_t i = 0; i < most; ++i) kept.push_back(points[i * points.size() / most]);
  return kept;
}

Model fit_roofline(std::span<const FitPoint> points, const ReferenceRates& rates) {
  if (points.size() < 3) throw InvalidInput{"a roofline needs at least 3 points"};
  const auto rows = thin(points, kMostRows);
  LeastSquares problem;
  problem.rows = rows.size();
  problem.loss_scale = kLossScale;
  problem.evaluate_all = [&](std::span<const double> logs, std::span<double> residuals,
                             std::span<double> slopes) {
    const std::array<double, 3> p{std::exp(logs[0]), std::exp(logs[1]), std::exp(logs[2])};
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto& inputs = rows[row].inputs;
      const double predicted = roofline_seconds(p, rates, inputs);
      residuals[row] = std::log(predicted / rows[row].seconds);
      if (slopes.empty()) continue;
      const double launch = p[0] / predicted;
      const bool memory = inputs.bytes / rates.memory * p[2] > inputs.flops / rates.flops * p[1];
      slopes[3 * row] = launch;
      slopes[3 * row + 1] = memory ? 0 : 1 - launch;
      slopes[3 * row + 2] = memory ? 1 - launch : 0;
    }
  };
  problem.start = {std::log(0.5 * least_seconds(rows)), 0.3, 0.3};
  problem.lower = {std::log(1e-9), -3, -3};
  problem.upper = {std::log(1.0), 5, 5};
  const auto solution = solve(problem);
  Model model;
  model.form = "roofline";
  const std::array<Parameter, 3> shape{{{"t0", 0, "s", 0}, {"e1", 0, "1", 0}, {"e2", 0, "1", 0}}};
  for (std::size_t i = 0; i < shape.size(); ++i) {
    auto p = shape[i];
    p.value = std::exp(solution.parameters[i]);
    p.standard_error = p.value * solution.standard_errors[i];
    model.parameters.push_back(p);
  }
  for (const auto& rate : rate_parameters(rates)) model.parameters.push_back(rate);
  return model;
}

}  // namespace moecal::calibration
