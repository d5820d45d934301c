// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/baselines_gemm.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::evaluation {
namespace {

using calibration::FitPoint;
using calibration::Inputs;
using calibration::ReferenceRates;
using Location = std::array<double, 3>;  // logarithms of m, n, k

constexpr std::size_t kNearest = 16;  // points a plane of log time goes through

Inputs inputs_of(const Observation& o) {
  return calibration::inputs_of(o.operation, o.point, o.dtypes);
}

Location location_of(const Inputs& inputs) {
  return {std::log(inputs.m), std::log(inputs.n), std::log(inputs.k)};
}

double speed_of_light(const Inputs& inputs, const ReferenceRates& rates) {
  return std::max(inputs.flops / rates.flops, inputs.bytes / rates.memory);
}

struct Neighbour {
  double squared_distance = std::numeric_limits<double>::infinity();
  std::size_t row = 0;
};
using Neighbours = std::vector<Neighbour>;  // nearest first

/// The seen points, to be asked for those near a call.
class Seen {
 public:
  explicit Seen(std::vector<FitPoint> points) : points_{std::move(points)} {
    for (const auto& point : points_) locations_.push_back(location_of(point.inputs));
  }

  [[nodiscard]] Neighbours nearest(const Inputs& inputs, std::size_t count) const {
    const auto at = location_of(inputs);
    Neighbours nearest(std::min(count, points_.size()));
    for (std::size_t row = 0; row < locations_.size(); ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < at.size(); ++i)
        sum += (at[i] - locations_[row][i]) * (at[i] - locations_[row][i]);
      if (sum >= nearest.back().squared_distance) continue;
      auto slot = nearest.end() - 1;
      for (; slot != nearest.begin() && (slot - 1)->squared_distance > sum; --slot)
        *slot = *(slot - 1);
      *slot = {sum, row};
    }
    return nearest;
  }
  [[nodiscard]] const FitPoint& point(std::size_t row) const { return points_[row]; }
  [[nodiscard]] const Location& location(std::size_t row) const { return locations_[row]; }
  [[nodiscard]] std::span<const FitPoint> points() const { return points_; }

 private:
  std::vector<FitPoint> points_;
  std::vector<Location> locations_;
};

/// The nearer, the more it counts; a point that is met exactly counts alone.
double utilisation_seconds(const Seen& seen, const ReferenceRates& rates, const Inputs& inputs) {
  double sum = 0, weights = 0;
  for (const auto& neighbour : seen.nearest(inputs, 2)) {
    const auto& point = seen.point(neighbour.row);
    const double weight = 1 / (std::sqrt(neighbour.squared_distance) + 1e-9);
    sum += weight * speed_of_light(point.inputs, rates) / point.seconds;
    weights += weight;
  }
  return speed_of_light(inputs, rates) * weights / sum;
}

/// A plane of log time over log m, n, k, through the nearest points; a little stiffness keeps it
/// where they do not span all directions.
double plane_seconds(const Seen& seen, const Inputs& inputs) {
  constexpr double kStiffness = 1e-3;
  const auto at = location_of(inputs);
  Eigen::Matrix4d information = kStiffness * Eigen::Matrix4d::Identity();
  Eigen::Vector4d right = Eigen::Vector4d::Zero();
  const auto nearest = seen.nearest(inputs, kNearest);
  const double offset = std::log(seen.point(nearest.front().row).seconds);
  for (const auto& neighbour : nearest) {
    const auto& location = seen.location(neighbour.row);
    const Eigen::Vector4d x{1, location[0] - at[0], location[1] - at[1], location[2] - at[2]};
    const double weight = 1 / (neighbour.squared_distance + 1e-6);
    information += weight * x * x.transpose();
    right += weight * x * (std::log(seen.point(neighbour.row).seconds) - offset);
  }
  return std::exp(offset + information.ldlt().solve(right)[0]);
}

double flat_efficiency(std::span<const FitPoint> points) {
  std::vector<double> logs;
  for (const auto& point : points) logs.push_back(std::log(point.seconds / point.inputs.flops));
  return std::exp(median(logs));
}

}  // namespace

std::vector<Baseline> baselines_of_gemms(const ObservationFile& seen, const ReferenceRates& rates) {
  std::vector<FitPoint> points;
  for (const auto& o : seen.observations) points.push_back({inputs_of(o), o.seconds()});
  if (points.empty()) throw InvalidInput{"no row of a GEMM is seen: nothing can be compared"};
  const double per_flop = flat_efficiency(points);
  const auto roofline = calibration::fit_roofline(points, rates);
  const auto known = std::make_shared<const Seen>(std::move(points));
  const auto baseline = [](const char* name, auto seconds_of) {
    return Baseline{std::string{"baseline: "} + name, [seconds_of](const Observation& call) {
                      return Estimate{seconds_of(inputs_of(call))};
                    }};
  };
  return {
      baseline("flat efficiency", [=](const Inputs& inputs) { return per_flop * inputs.flops; }),
      baseline("roofline and launch",
               [=](const Inputs& inputs) { return calibration::evaluate(roofline, inputs); }),
      baseline("2-nearest utilisation",
               [=](const Inputs& inputs) { return utilisation_seconds(*known, rates, inputs); }),
      baseline("log-log interpolation",
               [=](const Inputs& inputs) { return plane_seconds(*known, inputs); })};
}

}  // namespace moecal::evaluation
