// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/log_fit.hpp"

#include <algorithm>
#include <cmath>

#include "calibration/least_squares.hpp"
#include "calibration/roofline.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.1;  // of log time: errors far above it count little
constexpr double kScouted = 1e-4;   // share of a cost: what is less does not tell two starts apart

/// A tenth of a row's usual error at one spread.
double prior_pull(const LogParameter& p) { return 0.1 * kLossScale / p.spread; }

/// What a form is fitted to.
struct LogRows {
  LogSecondsOfRows form;
  std::vector<double> log_seconds;  // measured
};

LogRows rows_of(const LogFit& fit, std::span<const FitPoint> points) {
  LogRows rows{fit.prepare_rows(points), {}};
  for (const auto& point : points) rows.log_seconds.push_back(std::log(point.seconds));
  return rows;
}

/// Residuals and slopes of the rows, and after them of the priors.
void evaluate_rows(std::span<const LogParameter> parameters, const LogRows& measured,
                   std::span<const double> logs,
                   std::pair<std::span<double>, std::span<double>> results) {
  const auto [residuals, slopes] = results;
  const std::size_t count = logs.size(), rows = measured.log_seconds.size();
  std::vector<double> values;
  for (const double log : logs) values.push_back(std::exp(log));
  measured.form(values, residuals.first(rows),
                slopes.empty() ? slopes : slopes.first(rows * count));
  for (std::size_t row = 0; row < rows; ++row) residuals[row] -= measured.log_seconds[row];
  for (std::size_t i = 0; i < count; ++i)
    residuals[rows + i] = prior_pull(parameters[i]) * (logs[i] - std::log(parameters[i].prior));
  if (slopes.empty()) return;
  const auto of_priors = slopes.subspan(rows * count);
  std::fill(of_priors.begin(), of_priors.end(), 0);
  for (std::size_t i = 0; i < count; ++i) of_priors[i * count + i] = prior_pull(parameters[i]);
}

LeastSquares problem_of(const LogFit& fit, std::span<const FitPoint> rows) {
  LeastSquares problem;
  problem.rows = rows.size() + fit.parameters.size();
  problem.loss_scale = kLossScale;
  problem.least_damping = fit.least_damping;
  problem.evaluate_all = [parameters = fit.parameters, measured = rows_of(fit, rows)](
                             std::span<const double> logs, std::span<double> residuals,
                             std::span<double> slopes) {
    evaluate_rows(parameters, measured, logs, {residuals, slopes});
  };
  for (const auto& p : fit.parameters) {
    problem.lower.push_back(std::log(p.low));
    problem.upper.push_back(std::log(p.high));
  }
  return problem;
}

std::vector<double> logs_of(std::span<const double> values) {
  std::vector<double> logs;
  for (const double value : values) logs.push_back(std::log(value));
  return logs;
}

}  // namespace

std::vector<std::vector<double>> starts_of(std::span<const FitPoint> points,
                                           std::span<const LogParameter> parameters,
                                           const LaunchesAndCorners& choices) {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& point : points) least = std::min(least, point.seconds);
  std::vector<std::vector<double>> all;
  for (const double corner : choices.corners)
    for (const double launch : choices.launches) {
      std::vector<double> start;
      for (const auto& p : parameters) start.push_back(p.prior);
      start.front() = launch * least;
      start.at(choices.corner) = corner;
      all.push_back(std::move(start));
    }
  return all;
}

ScoutedLogs scout_logs(std::span<const FitPoint> points, const LogFit& fit) {
  const auto few = thin(points, fit.scout_rows);
  auto problem = problem_of(fit, few);
  problem.wants_errors = false;
  problem.settled = kScouted;
  ScoutedLogs best;
  for (const auto& start : fit.starts) {
    problem.start = logs_of(start);
    auto solution = solve(problem);
    if (solution.cost < best.cost) best = {std::move(solution.parameters), solution.cost};
  }
  return best;
}

ScoutedLogs started_from(std::span<const double> values) { return {logs_of(values), 0}; }

std::vector<Parameter> fit_logs(std::span<const FitPoint> points, const LogFit& fit,
                                const ScoutedLogs& scouted) {
  const auto rows = thin(points, fit.most_rows);
  auto problem = problem_of(fit, rows);
  problem.start = scouted.logs;
  problem.settled = fit.settled;
  problem.wants_errors = fit.wants_errors;
  auto solution = solve(problem);
  solution.standard_errors.resize(fit.parameters.size(), 0);
  std::vector<Parameter> fitted;
  for (std::size_t i = 0; i < fit.parameters.size(); ++i) {
    const double value = std::exp(solution.parameters[i]);
    fitted.push_back({std::string{fit.parameters[i].name}, value,
                      std::string{fit.parameters[i].unit}, value * solution.standard_errors[i]});
  }
  return fitted;
}

}  // namespace moecal::calibration
