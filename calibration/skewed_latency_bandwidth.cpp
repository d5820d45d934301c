// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/skewed_latency_bandwidth.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "calibration/least_squares.hpp"
#include "calibration/piecewise.hpp"

namespace moecal::calibration {
namespace {

constexpr double kMostExponent = 1.5;  // a rank that all others crowd may lose more than its share
constexpr double kSameSkew = 1.05;     // skews this close leave any exponent the same
/// A small pull towards 1: what the points do not tell is what a link of one's own does.
constexpr double kPriorExponent = 1, kPriorWeight = 1e-3;

constexpr std::array kSlopeNames{"inverse_bandwidth_1", "inverse_bandwidth_2",
                                 "inverse_bandwidth_3"};

/// A line of effective sizes, and the exponent that makes them.
struct SkewedLine {
  Piecewise line;
  double exponent = 0, exponent_error = 0;
  [[nodiscard]] double seconds(const Inputs& inputs) const {
    return piecewise_seconds(line, inputs.size * std::pow(inputs.skew, exponent));
  }
};

SkewedLine line_of(const Model& model) {
  SkewedLine skewed;
  skewed.line.latency = parameter(model, "latency");
  skewed.line.knots = model.knots;
  for (std::size_t j = 0; j <= model.knots.size(); ++j)
    skewed.line.slopes.push_back(parameter(model, kSlopeNames.at(j)));
  skewed.exponent = parameter(model, "skew_exponent");
  return skewed;
}

double seconds(const Model& model, const Inputs& inputs) { return line_of(model).seconds(inputs); }

std::unique_ptr<PreparedForm> prepare_line(const Model& model) {
  return prepared_function(
      [line = line_of(model)](const Inputs& call) { return line.seconds(call); });
}

SkewedLine fit_at(std::span<const FitPoint> points, int segments, double exponent) {
  std::vector<FitPoint> effective{points.begin(), points.end()};
  for (auto& point : effective) point.inputs.size *= std::pow(point.inputs.skew, exponent);
  return {fit_piecewise(effective, segments), exponent};
}

/// Log latency, log slopes, log knots, and the exponent as it is.
std::vector<double> pack(const SkewedLine& skewed) {
  const auto& line = skewed.line;
  std::vector<double> packed{std::log(std::max(line.latency, kLeastLatency))};
  for (const double slope : line.slopes) packed.push_back(std::log(std::max(slope, kLeastSlope)));
  for (const double knot : line.knots) packed.push_back(std::log(knot));
  packed.push_back(skewed.exponent);
  return packed;
}

SkewedLine unpack(std::span<const double> packed) {
  SkewedLine skewed;
  const std::size_t segments = (packed.size() - 1) / 2;
  skewed.line.latency = std::exp(packed[0]);
  for (std::size_t i = 1; i <= segments; ++i) skewed.line.slopes.push_back(std::exp(packed[i]));
  for (std::size_t i = segments + 1; i + 1 < packed.size(); ++i)
    skewed.line.knots.push_back(std::exp(packed[i]));
  skewed.exponent = packed.back();
  return skewed;
}

/// The last row is the prior's.
LeastSquares problem_of(std::span<const FitPoint> points, const SkewedLine& start) {
  LeastSquares problem;
  problem.rows = points.size() + 1;
  problem.loss_scale = kLineLossScale;
  problem.least_damping = kFirmDamping;
  problem.residuals_of_all = [points](std::span<const double> packed, std::span<double> residuals) {
    const auto skewed = unpack(packed);
    for (std::size_t row = 0; row < points.size(); ++row)
      residuals[row] = std::log(skewed.seconds(points[row].inputs) / points[row].seconds);
    residuals[points.size()] = kPriorWeight * (skewed.exponent - kPriorExponent);
  };
  problem.start = pack(start);
  problem.lower.assign(problem.start.size(), -60);
  problem.upper.assign(problem.start.size(), 60);
  problem.lower.front() = std::log(kLeastLatency);
  for (std::size_t i = start.line.slopes.size() + 1; i + 1 < problem.start.size(); ++i) {
    problem.lower[i] = problem.start[i] - 0.35;  // half a doubling, as of a curve
    problem.upper[i] = problem.start[i] + 0.35;
  }
  problem.lower.back() = 0;
  problem.upper.back() = kMostExponent;
  return problem;
}

/// Line and exponent together, from the best of a few exponents.
SkewedLine fit_both(std::span<const FitPoint> points, int segments) {
  SkewedLine best;
  for (const double exponent : {1.0, 0.75, 0.5, 0.25, 0.0})
    if (auto found = fit_at(points, segments, exponent);
        best.line.slopes.empty() || found.line.cost < best.line.cost)
      best = std::move(found);
  const auto solution = solve(problem_of(points, best));
  auto polished = unpack(solution.parameters);
  if (!std::ranges::is_sorted(polished.line.knots)) return best;
  const auto& errors = solution.standard_errors;
  polished.line.latency_error = polished.line.latency * errors[0];
  for (std::size_t j = 0; j < polished.line.slopes.size(); ++j)
    polished.line.slope_errors.push_back(polished.line.slopes[j] * errors[j + 1]);
  polished.exponent_error = errors.back();
  return polished;
}

Model model_of(const SkewedLine& skewed) {
  const auto& line = skewed.line;
  Model model;
  model.form = "skewed_latency_bandwidth";
  model.parameters.push_back({"latency", line.latency, "s", line.latency_error});
  for (std::size_t j = 0; j < line.slopes.size(); ++j)
    model.parameters.push_back({kSlopeNames.at(j), line.slopes[j], "s/B", line.slope_errors[j]});
  model.parameters.push_back({"skew_exponent", skewed.exponent, "1", skewed.exponent_error});
  model.knots = line.knots;
  return model;
}

}  // namespace

Form skewed_latency_bandwidth_form() {
  return {"skewed_latency_bandwidth",
          {{"latency", "s"},
           {"inverse_bandwidth_1", "s/B"},
           {"inverse_bandwidth_2", "s/B", false},
           {"inverse_bandwidth_3", "s/B", false},
           {"skew_exponent", "1"},
           {"last_rate_spread", "1", false}},
          seconds,
          prepare_line};
}

Model fit_skewed_latency_bandwidth(std::span<const FitPoint> points, int segments, SkewRule rule) {
  if (rule == SkewRule::fitted) return model_of(fit_both(points, segments));
  return model_of(fit_at(points, segments, rule == SkewRule::busiest ? 1 : 0));
}

bool skews_differ(std::span<const FitPoint> points) {
  double least = 0, most = 0;
  for (const auto& point : points) {
    least = least == 0 ? point.inputs.skew : std::min(least, point.inputs.skew);
    most = std::max(most, point.inputs.skew);
  }
  return most > kSameSkew * least;
}

}  // namespace moecal::calibration
