// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/residual.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "calibration/residual_features.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

constexpr std::size_t kGateCentres = 128;
constexpr double kNeighbourShare = 0.9;  // of the centres lie this close to another one
constexpr double kLeastReach = 0.5;      // octaves

/// Octaves between two places, by the coordinate in which they differ most.
double distance(std::span<const double> a, std::span<const double> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

Coordinates place_of(const FeatureColumns& columns, std::size_t row, std::size_t coordinates) {
  Coordinates place;
  for (std::size_t i = 0; i < coordinates; ++i) place.push_back(columns[i][row]);
  return place;
}

/// The training points in a residual's terms.
struct Training {
  FeatureColumns columns;
  std::vector<double> targets;  // log(measured / compact)
  std::vector<Coordinates> places;
};

Training training_of(std::span<const FitPoint> points, const Model& compact,
                     const ResidualPlan& plan) {
  const auto& set = feature_set(plan.features);
  std::vector<Inputs> calls;
  for (const auto& point : points) calls.push_back(point.inputs);
  const auto seconds = evaluate(compact, calls);
  Training training{feature_columns(set, plan.multiprocessors, calls, seconds), {}, {}};
  for (std::size_t i = 0; i < points.size(); ++i) {
    training.targets.push_back(std::log(points[i].seconds / seconds[i]));
    training.places.push_back(place_of(training.columns, i, set.coordinates));
  }
  return training;
}

/// Of the places, those that leave none far from all of them: each next one is the farthest from
/// those before it.
std::vector<Coordinates> spread_out(std::span<const Coordinates> places, std::size_t most) {
  std::vector<Coordinates> chosen{places.front()};
  std::vector<double> nearest(places.size(), std::numeric_limits<double>::infinity());
  while (chosen.size() < most) {
    for (std::size_t i = 0; i < places.size(); ++i)
      nearest[i] = std::min(nearest[i], distance(places[i], chosen.back()));
    const auto farthest = std::max_element(nearest.begin(), nearest.end());
    if (*farthest == 0) break;
    chosen.push_back(places[static_cast<std::size_t>(farthest - nearest.begin())]);
  }
  return chosen;
}

double nearest_distance(std::span<const Coordinates> centres, std::span<const double> place) {
  double nearest = std::numeric_limits<double>::infinity();
  for (const auto& centre : centres) nearest = std::min(nearest, distance(centre, place));
  return nearest;
}

/// A residual may be believed between the points as they are spaced: as far from a centre as a
/// training point can be, and as far again as most centres are from their neighbour. Points in one
/// place, e.g. a layer under two routings, are no neighbours.
double reach_of(std::span<const Coordinates> places, std::span<const Coordinates> centres) {
  double covering = 0;
  for (const auto& place : places) covering = std::max(covering, nearest_distance(centres, place));
  std::vector<double> neighbours;
  for (std::size_t i = 0; i < centres.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const auto& other : centres)
      if (const double apart = distance(centres[i], other); apart > 0)
        nearest = std::min(nearest, apart);
    neighbours.push_back(std::isinf(nearest) ? 0 : nearest);
  }
  return covering + std::max(kLeastReach, quantile(neighbours, kNeighbourShare));
}

/// The first centre within reach settles it; only a call far from all of them asks every one.
double weight_at(const ResidualGate& gate, std::span<const double> place) {
  double nearest = std::numeric_limits<double>::infinity();
  for (const auto& centre : gate.centres) {
    nearest = std::min(nearest, distance(centre, place));
    if (nearest <= gate.reach) return 1;
  }
  return weight_at_distance(gate, nearest);
}

}  // namespace

ResidualPlan plan_residual(std::span<const FitPoint> points, const Model& compact,
                           double multiprocessors, const std::string& features) {
  if (points.size() < kResidualPoints)
    throw InvalidInput{"a residual needs at least " + std::to_string(kResidualPoints) + " points"};
  ResidualPlan plan{kSymmetricTrees, features, multiprocessors, {}};
  if (points.size() < kManyTreesPoints || features != kGemmFeatures)
    plan.boosting = {.trees = 300, .levels = 6, .most_borders = 63};
  if (points.size() >= kTreePoints) return plan;
  plan.kind = kRadialBasis;
  const auto training = training_of(points, compact, plan);
  plan.basis = choose_radial_basis(training.places, training.targets);
  return plan;
}

Residual fit_residual(std::span<const FitPoint> points, const Model& compact,
                      const ResidualPlan& plan) {
  const auto training = training_of(points, compact, plan);
  Residual residual;
  residual.kind = plan.kind;
  residual.features = plan.features;
  residual.multiprocessors = plan.multiprocessors;
  if (plan.kind == kRadialBasis) {
    residual.gate.centres = training.places;
    residual.basis = fit_radial_basis(training.places, training.targets, plan.basis);
  } else {
    residual.gate.centres = spread_out(training.places, kGateCentres);
    residual.trees = fit_boosted_trees(training.columns, training.targets, plan.boosting);
  }
  residual.gate.reach = reach_of(training.places, residual.gate.centres);
  return residual;
}

double weight_at_distance(const ResidualGate& gate, double octaves) {
  return std::clamp(2 - octaves / gate.reach, 0.0, 1.0);
}

double residual_weight(const Residual& residual, const Inputs& inputs) {
  const auto& set = feature_set(residual.features);
  std::array<double, kMostFeatures> place{};
  set.place(inputs, place);
  return weight_at(residual.gate, std::span{place}.first(set.coordinates));
}

std::vector<double> log_corrections(const Residual& residual, std::span<const Inputs> calls,
                                    std::span<const double> compact_seconds) {
  const auto& set = feature_set(residual.features);
  const auto columns = feature_columns(set, residual.multiprocessors, calls, compact_seconds);
  std::vector<double> corrections(calls.size(), 0);
  if (residual.kind == kSymmetricTrees) corrections = evaluate(residual.trees, columns);
  std::array<double, kMostFeatures> all{};
  const auto place = std::span{all}.first(set.coordinates);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    for (std::size_t f = 0; f < place.size(); ++f) place[f] = columns[f][i];
    if (residual.kind == kRadialBasis)
      corrections[i] = evaluate(residual.basis, residual.gate.centres, place);
    corrections[i] *= weight_at(residual.gate, place);
  }
  return corrections;
}

}  // namespace moecal::calibration
