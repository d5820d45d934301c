// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/saturating_roofline.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "calibration/least_squares.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.1;
constexpr std::size_t kMostRows = 4000;
constexpr std::size_t kScoutRows = 400;  // a start is tried on these before all rows polish it

struct Shape {
  std::string_view name, unit;
  double low, high;      // bounds
  double prior, spread;  // of the logarithm; the pull is weak: spread is a factor of about e^2
};

/// All parameters are fitted as logarithms. t0's prior is set from the data.
constexpr std::array<Shape, 8> kShapes{{{"t0", "s", 1e-9, 1.0, 1e-6, 3},
                                        {"e1", "1", 0.5, 20, 1.3, 0.7},
                                        {"cm", "1", 1e-2, 1e5, 60, 2},
                                        {"cn", "1", 1e-2, 1e5, 60, 2},
                                        {"ck", "1", 1e-2, 1e5, 200, 2},
                                        {"b0", "B", 1, 1e9, 1e6, 3},
                                        {"e2", "1", 0.5, 20, 1.3, 0.7},
                                        {"q", "1", 1, 30, 3, 1}}};

using Values = std::array<double, kShapes.size()>;  // in the order of kShapes, not as logarithms

/// The two sides of the roof and their join:
///   ||larger, smaller||_q = larger (1 + (smaller / larger)^q)^(1/q)
struct Roof {
  double arithmetic_share;  // of the larger and smaller side's q-th powers, the arithmetic's
  double corner;            // derivative of log(joined) by log q
  double joined;
};

Roof roof_of(const Values& p, const ReferenceRates& rates, const Inputs& inputs) {
  const double arithmetic = inputs.flops / rates.flops * p[1] * (1 + p[2] / inputs.m) *
                            (1 + p[3] / inputs.n) * (1 + p[4] / inputs.k);
  const double memory = (inputs.bytes + p[5]) / rates.memory * p[6];
  const double larger = std::max(arithmetic, memory), smaller = std::min(arithmetic, memory);
  const double log_ratio = std::log(smaller / larger);
  const double power = std::exp(p[7] * log_ratio);
  const double log_join = std::log1p(power) / p[7];
  const double smaller_share = power / (1 + power);
  return {arithmetic >= memory ? 1 - smaller_share : smaller_share,
          smaller_share * log_ratio - log_join, larger * std::exp(log_join)};
}

/// Derivatives of log(t0 + roof) by the logarithms of the parameters.
void slopes_of(const Values& p, const Roof& roof, const Inputs& inputs, double* slopes) {
  const double roof_share = roof.joined / (p[0] + roof.joined);
  const double arithmetic = roof_share * roof.arithmetic_share;
  const double memory = roof_share - arithmetic;
  slopes[0] = 1 - roof_share;
  slopes[1] = arithmetic;
  slopes[2] = arithmetic * p[2] / (inputs.m + p[2]);
  slopes[3] = arithmetic * p[3] / (inputs.n + p[3]);
  slopes[4] = arithmetic * p[4] / (inputs.k + p[4]);
  slopes[5] = memory * p[5] / (inputs.bytes + p[5]);
  slopes[6] = memory;
  slopes[7] = roof_share * roof.corner;
}

Values values_of(const Model& model) {
  Values values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = parameter(model, kShapes[i].name);
  return values;
}

double seconds(const Model& model, const Inputs& inputs) {
  const auto values = values_of(model);
  return values[0] + roof_of(values, reference_rates(model), inputs).joined;
}

std::unique_ptr<PreparedForm> prepare_roof(const Model& model) {
  return prepared_function(
      [values = values_of(model), rates = reference_rates(model)](const Inputs& call) {
        return values[0] + roof_of(values, rates, call).joined;
      });
}

/// A tenth of a row's usual error at one spread: far weaker than the points, where they speak.
double prior_pull(std::size_t which) { return 0.1 * kLossScale / kShapes[which].spread; }

Values values_of(std::span<const double> logs) {
  Values values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::exp(logs[i]);
  return values;
}

/// Residuals and slopes of the rows, and after them of the priors.
void evaluate_rows(std::span<const FitPoint> rows, const ReferenceRates& rates,
                   std::span<const double> logs, std::span<double> residuals,
                   std::span<double> slopes) {
  const auto values = values_of(logs);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto roof = roof_of(values, rates, rows[row].inputs);
    residuals[row] = std::log((values[0] + roof.joined) / rows[row].seconds);
    if (!slopes.empty()) slopes_of(values, roof, rows[row].inputs, &slopes[row * logs.size()]);
  }
  for (std::size_t i = 0; i < logs.size(); ++i)
    residuals[rows.size() + i] = prior_pull(i) * (logs[i] - std::log(kShapes[i].prior));
  if (slopes.empty()) return;
  const auto of_priors = slopes.subspan(rows.size() * logs.size());
  std::fill(of_priors.begin(), of_priors.end(), 0);
  for (std::size_t i = 0; i < logs.size(); ++i) of_priors[i * logs.size() + i] = prior_pull(i);
}

LeastSquares problem_of(std::span<const FitPoint> rows, const ReferenceRates& rates) {
  LeastSquares problem;
  problem.rows = rows.size() + kShapes.size();
  problem.loss_scale = kLossScale;
  problem.evaluate_all = [rows, &rates](std::span<const double> logs, std::span<double> residuals,
                                        std::span<double> slopes) {
    evaluate_rows(rows, rates, logs, residuals, slopes);
  };
  for (const auto& shape : kShapes) {
    problem.lower.push_back(std::log(shape.low));
    problem.upper.push_back(std::log(shape.high));
    problem.start.push_back(std::log(shape.prior));
  }
  double least = std::numeric_limits<double>::infinity();
  for (const auto& row : rows) least = std::min(least, row.seconds);
  problem.start[0] = std::log(0.5 * least);
  return problem;
}

/// The best of a few starts that differ in how much is launch, and in the corner.
std::vector<double> scout(std::span<const FitPoint> points, const ReferenceRates& rates) {
  const auto rows = thin(points, kScoutRows);
  auto problem = problem_of(rows, rates);
  const auto start = problem.start;
  LeastSquaresSolution best;
  best.cost = std::numeric_limits<double>::infinity();
  for (const double corner : {1.5, 6.0})
    for (const double launch : {0.1, 0.9}) {
      problem.start = start;
      problem.start[0] = start[0] + std::log(2 * launch);
      problem.start[7] = std::log(corner);
      auto solution = solve(problem);
      if (solution.cost < best.cost) best = std::move(solution);
    }
  return best.parameters;
}

}  // namespace

Form saturating_roofline_form() {
  Form form{"saturating_roofline", {}, seconds, prepare_roof};
  for (const auto& shape : kShapes) form.parameters.push_back({shape.name, shape.unit});
  for (const auto& spec : rate_specs()) form.parameters.push_back(spec);
  return form;
}

Model fit_saturating_roofline(std::span<const FitPoint> points, const ReferenceRates& rates) {
  if (points.size() < kSaturatingRooflinePoints)
    throw InvalidInput{"a saturating roofline needs at least " +
                       std::to_string(kSaturatingRooflinePoints) + " points"};
  const auto rows = thin(points, kMostRows);
  auto problem = problem_of(rows, rates);
  problem.start = scout(points, rates);
  const auto solution = solve(problem);
  Model model;
  model.form = "saturating_roofline";
  for (std::size_t i = 0; i < kShapes.size(); ++i) {
    const double value = std::exp(solution.parameters[i]);
    model.parameters.push_back({std::string{kShapes[i].name}, value, std::string{kShapes[i].unit},
                                value * solution.standard_errors[i]});
  }
  for (const auto& rate : rate_parameters(rates)) model.parameters.push_back(rate);
  return model;
}

}  // namespace moecal::calibration
