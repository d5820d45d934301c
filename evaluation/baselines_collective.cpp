// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/baselines_collective.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "calibration/group_opinions.hpp"
#include "calibration/least_squares.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "core/collective.hpp"

namespace moecal::evaluation {
namespace {

using calibration::FitPoint;
using Points = std::vector<FitPoint>;
using SecondsOfSize = std::function<double(double)>;
using FitCurve = std::function<SecondsOfSize(const Points&)>;

/// t = alpha + beta s by ordinary least squares in time: what most planners do. A negative alpha
/// is held at a nanosecond, or its small messages would have no time at all.
SecondsOfSize least_squares_line(const Points& points) {
  double n = 0, s = 0, t = 0, ss = 0, st = 0;
  for (const auto& p : points) {
    n += 1;
    s += p.inputs.size;
    t += p.seconds;
    ss += p.inputs.size * p.inputs.size;
    st += p.inputs.size * p.seconds;
  }
  const double beta = (n * st - s * t) / (n * ss - s * s), alpha = (t - beta * s) / n;
  return [=](double size) { return std::max(alpha, 1e-9) + std::max(beta, 0.0) * size; };
}

/// The same line by least squares of log error.
SecondsOfSize log_line(const Points& points) {
  calibration::LeastSquares problem;
  problem.rows = points.size();
  problem.loss_scale = 0;
  problem.residual = [&points](std::span<const double> p, std::size_t row) {
    return std::log((std::exp(p[0]) + std::exp(p[1]) * points[row].inputs.size) /
                    points[row].seconds);
  };
  problem.start = {std::log(points.front().seconds),
                   std::log(points.back().seconds / points.back().inputs.size)};
  problem.lower = {-60, -60};
  problem.upper = {60, 60};
  const auto line = calibration::solve(problem).parameters;
  return [a = std::exp(line[0]), b = std::exp(line[1])](double size) { return a + b * size; };
}

FitCurve segments(int count) {
  return [count](const Points& points) -> SecondsOfSize {
    auto model = std::make_shared<calibration::Model>(
        calibration::fit_segmented_latency_bandwidth(points, count));
    return [model](double size) { return calibration::evaluate(*model, {.size = size}); };
  };
}

/// Straight lines of log time over log size between neighbours.
double between_neighbours(const Points& points, double size) {
  const auto after =
      std::upper_bound(points.begin() + 1, points.end() - 1, size,
                       [](double s, const FitPoint& p) { return s < p.inputs.size; });
  const auto& low = *(after - 1);
  const auto& high = *after;
  const double share =
      std::log(size / low.inputs.size) / std::log(high.inputs.size / low.inputs.size);
  return low.seconds * std::pow(high.seconds / low.seconds, share);
}

SecondsOfSize log_log_interpolation(const Points& points) {
  return [points](double size) { return between_neighbours(points, size); };
}

/// The measured groups of a call's operation and dtype: seconds at its size.
calibration::SecondsByGroup seconds_by_group(const Curves& curves, const Observation& call) {
  calibration::SecondsByGroup seconds;
  const auto size = static_cast<double>(call.point.at("bytes"));
  for (const auto& [key, points] : curves.all())
    if (std::get<0>(key) == call.operation && std::get<1>(key) == call.dtypes.a)
      seconds[std::get<2>(key)] = between_neighbours(points, size);
  return seconds;
}

Estimate nearest_by_bus_factor(const Curves& curves, const Observation& call) {
  const auto seconds = seconds_by_group(curves, call);
  const auto nearest = std::min_element(seconds.begin(), seconds.end(), [&](auto& a, auto& b) {
    return std::abs(a.first - call.ranks.group) < std::abs(b.first - call.ranks.group);
  });
  return {nearest->second * bus_factor(call.operation, call.ranks.group) /
          bus_factor(call.operation, nearest->first)};
}

/// t = a0 + a1 (n-1) + s/B over all groups of an operation and dtype, by least squares of log
/// error.
SecondsOfSize one_line_over_groups(const Curves& curves, const Observation& call) {
  Points points;
  for (const auto& [key, curve] : curves.all())
    if (std::get<0>(key) == call.operation && std::get<1>(key) == call.dtypes.a)
      for (auto point : curve) {
        point.inputs.ranks = std::get<2>(key);
        points.push_back(point);
      }
  calibration::LeastSquares problem;
  problem.rows = points.size();
  problem.loss_scale = 0;
  problem.residual = [&points](std::span<const double> p, std::size_t row) {
    const auto& in = points[row].inputs;
    return std::log((std::exp(p[0]) + std::exp(p[1]) * (in.ranks - 1) + std::exp(p[2]) * in.size) /
                    points[row].seconds);
  };
  const double least = points.front().seconds, most = points.back().seconds;
  problem.start = {std::log(least / 2), std::log(least / 4),
                   std::log(most / points.back().inputs.size)};
  problem.lower = {-60, -60, -60};
  problem.upper = {60, 60, 60};
  const auto p = calibration::solve(problem).parameters;
  const double latency = std::exp(p[0]) + std::exp(p[1]) * (call.ranks.group - 1);
  return [latency, slope = std::exp(p[2])](double size) { return latency + slope * size; };
}

/// The line of each operation and dtype is fitted once: all calls are of one group size.
Predictor line_over_groups(std::shared_ptr<const Curves> curves) {
  auto fitted = std::make_shared<std::map<std::pair<std::string, std::string>, SecondsOfSize>>();
  return [=](const Observation& call) {
    auto& line = (*fitted)[{call.operation, call.dtypes.a}];
    if (!line) line = one_line_over_groups(*curves, call);
    return Estimate{line(static_cast<double>(call.point.at("bytes")))};
  };
}

/// Every curve fitted by itself.
Predictor by_curve(const Curves& curves, const FitCurve& fit) {
  std::map<Curves::Key, SecondsOfSize> fitted;
  for (const auto& [key, points] : curves.all()) fitted[key] = fit(points);
  return [fitted = std::move(fitted)](const Observation& call) {
    return Estimate{fitted.at(Curves::key_of(call))(static_cast<double>(call.point.at("bytes")))};
  };
}

}  // namespace

Curves::Curves(const ObservationFile& seen) {
  for (const auto& o : seen.observations)
    curves_[key_of(o)].push_back(
        {calibration::inputs_of(o.operation, o.point, o.dtypes), o.seconds()});
  for (auto& [key, points] : curves_)
    std::sort(points.begin(), points.end(),
              [](const FitPoint& a, const FitPoint& b) { return a.inputs.size < b.inputs.size; });
}

Curves::Key Curves::key_of(const Observation& o) {
  return {o.operation, o.dtypes.a, o.ranks.group};
}

const std::vector<FitPoint>& Curves::of(const Observation& call) const {
  return curves_.at(key_of(call));
}

std::vector<Baseline> baselines_of_sizes(const ObservationFile& seen) {
  const Curves curves{seen};
  return {{"baseline: one alpha-beta, least squares", by_curve(curves, least_squares_line)},
          {"baseline: one alpha-beta, log error", by_curve(curves, log_line)},
          {"baseline: two segments", by_curve(curves, segments(2))},
          {"baseline: three segments", by_curve(curves, segments(3))},
          {kLogLogInterpolation, by_curve(curves, log_log_interpolation)}};
}

std::vector<Baseline> baselines_of_groups(const ObservationFile& seen) {
  const auto curves = std::make_shared<const Curves>(seen);
  return {{"baseline: nearest group by bus factor",
           [=](const Observation& call) { return nearest_by_bus_factor(*curves, call); }},
          {"baseline: one alpha-beta, latency by n-1", line_over_groups(curves)},
          {"baseline: log-log interpolation in n", [=](const Observation& call) {
             return Estimate{
                 calibration::log_log_in_ranks(seconds_by_group(*curves, call), call.ranks.group)};
           }}};
}

}  // namespace moecal::evaluation
