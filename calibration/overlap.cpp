// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/overlap.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "calibration/least_squares.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr double kLossScale = 0.05;
constexpr double kMostSlowdown = 10;
constexpr double kSharpest = 64;  // of two equal times it is 1 % above their maximum
constexpr double kPull = 0.005;   // toward no slowdown, where the points do not speak

struct Terms {
  double t0 = 0, compute = 1, communication = 1, sharpness = 1;
};

double seconds_of(const Terms& terms, const Inputs& inputs) {
  const double a = terms.compute * inputs.compute;
  const double b = terms.communication * inputs.communication;
  const double longer = std::max(a, b), shorter = std::min(a, b);
  if (longer <= 0) return terms.t0;
  return terms.t0 +
         longer * std::pow(1 + std::pow(shorter / longer, terms.sharpness), 1 / terms.sharpness);
}

Terms terms_of(const Model& model) {
  return {parameter(model, "t0"), parameter(model, "compute_slowdown"),
          parameter(model, "communication_slowdown"), parameter(model, "sharpness")};
}

double seconds(const Model& model, const Inputs& inputs) {
  return seconds_of(terms_of(model), inputs);
}

std::unique_ptr<PreparedForm> prepare_overlap(const Model& model) {
  return prepared_function(
      [terms = terms_of(model)](const Inputs& call) { return seconds_of(terms, call); });
}

/// What is fitted: t0 as a share of the least time, logarithms of the slowdowns, 1 / sharpness.
Terms unpacked(std::span<const double> p, double least) {
  return {p[0] * least, std::exp(p[1]), std::exp(p[2]), 1 / p[3]};
}

LeastSquares problem_of(std::span<const FitPoint> points, double least) {
  LeastSquares problem;
  problem.rows = points.size() + 3;
  problem.loss_scale = kLossScale;
  problem.residual = [points, least](std::span<const double> p, std::size_t row) {
    if (row >= points.size()) return kPull * p[row - points.size()];
    return std::log(seconds_of(unpacked(p, least), points[row].inputs) / points[row].seconds);
  };
  problem.lower = {0, -std::log(2.0), -std::log(2.0), 1 / kSharpest};
  problem.upper = {1, std::log(kMostSlowdown), std::log(kMostSlowdown), 1};
  return problem;
}

/// A call that is the longer at every point hides what the other does: a few starts.
LeastSquaresSolution best_of_starts(LeastSquares problem) {
  LeastSquaresSolution best;
  best.cost = std::numeric_limits<double>::infinity();
  for (const double blunt : {0.1, 0.5, 0.95})
    for (const auto& [compute, communication] : {std::pair{0.05, 0.05}, {0.4, 0.05}, {0.05, 0.4}}) {
      problem.start = {0.1, compute, communication, blunt};
      auto solution = solve(problem);
      if (solution.cost < best.cost) best = std::move(solution);
    }
  return best;
}

}  // namespace

Form overlap_form() {
  return {
      "overlap",
      {{"t0", "s"}, {"compute_slowdown", "1"}, {"communication_slowdown", "1"}, {"sharpness", "1"}},
      seconds,
      prepare_overlap};
}

Model fit_overlap(std::span<const FitPoint> points) {
  if (points.size() < kOverlapPoints)
    throw InvalidInput{"an overlap needs at least " + std::to_string(kOverlapPoints) + " points"};
  double least = std::numeric_limits<double>::infinity();
  for (const auto& point : points) least = std::min(least, point.seconds);
  const auto solution = best_of_starts(problem_of(points, least));
  const auto& errors = solution.standard_errors;
  const auto terms = unpacked(solution.parameters, least);
  Model model;
  model.form = "overlap";
  model.parameters = {
      {"t0", terms.t0, "s", least * errors[0]},
      {"compute_slowdown", terms.compute, "1", terms.compute * errors[1]},
      {"communication_slowdown", terms.communication, "1", terms.communication * errors[2]},
      {"sharpness", terms.sharpness, "1", terms.sharpness * terms.sharpness * errors[3]}};
  return model;
}

}  // namespace moecal::calibration
