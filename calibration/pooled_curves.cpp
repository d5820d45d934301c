// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/pooled_curves.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "calibration/gaussian_process.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "calibration/similarity.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// A curve of as many sizes needs no other: on public tables its own points predict better.
constexpr double kDenseCurve = 10;
/// Points of all curves: a Gaussian process takes their cube of operations.
constexpr std::size_t kMostPoints = 800;
constexpr std::size_t kFewestPoints = 12;
/// Standard deviation of log time at which an interval's scale is 1: of the order of what few
/// points leave, so that quantiles read as half-widths.
constexpr double kUnitDeviation = 0.1;

struct Known {
  Place place;
  double log_seconds = 0;
};

Place place_of(const Series& series, const Inputs& inputs) {
  return {series.operation, series.conditions, series.family, inputs};
}

std::string call_but_dtype(const Place& place) {
  Series series;
  series.operation = place.operation;
  series.conditions = place.conditions;
  series.conditions.dtype.clear();
  return series.id() + "/" + std::to_string(place.inputs.size);
}

std::vector<Known> known_points(std::span<const Series* const> curves) {
  std::vector<Known> known;
  for (const auto* series : curves)
    for (const auto& point : series->points)
      known.push_back({place_of(*series, point.inputs), std::log(point.seconds)});
  return known;
}

/// One latency and bandwidth for all curves: the process describes what differs from it.
Model first_guess(std::span<const Series* const> curves) {
  std::vector<FitPoint> points;
  for (const auto* series : curves)
    points.insert(points.end(), series->points.begin(), series->points.end());
  return fit_segmented_latency_bandwidth(points, 1);
}

std::vector<double> sizes_of(std::span<const Known> known, const Series& series) {
  std::set<double> sizes;
  double least = known.front().place.inputs.size, most = least;
  for (const auto& one : known) {
    least = std::min(least, one.place.inputs.size);
    most = std::max(most, one.place.inputs.size);
  }
  for (double size = std::exp2(std::ceil(std::log2(least))); size <= most; size *= 2)
    sizes.insert(size);
  for (const auto& point : series.points) sizes.insert(point.inputs.size);
  sizes.insert(least);
  sizes.insert(most);
  return {sizes.begin(), sizes.end()};
}

class Pool {
 public:
  explicit Pool(std::span<const Series* const> curves)
      : known_{known_points(curves)}, guess_{first_guess(curves)}, process_{solve()} {
    // What another dtype took of the same call tells nearly all: a size that is not measured is
    // measured in none.
    std::vector<std::string> calls;
    for (const auto& one : known_) calls.push_back(call_but_dtype(one.place));
    left_out_ = process_.left_out(calls);
  }

  [[nodiscard]] PooledCurve curve(const Series& series) const {
    PooledCurve result{&series, {}};
    auto& candidate = result.candidate;
    candidate.model.form = "pooled_curve";
    for (const double size : sizes_of(known_, series)) {
      const auto [seconds, deviation] = at(place_of(series, {.size = size}));
      candidate.model.table.emplace_back(size, seconds);
      candidate.model.table_scales.push_back(deviation / kUnitDeviation);
    }
    candidate.model.validity["bytes"] = {candidate.model.table.front().first,
                                         candidate.model.table.back().first};
    for (std::size_t i = 0; i < known_.size(); ++i) {
      if (!is_of(known_[i].place, series)) continue;
      const double size = known_[i].place.inputs.size;
      candidate.held_out.push_back({size, left_out_[i].error});
      candidate.calibration.push_back(
          {size, left_out_[i].error / left_out_[i].standard_deviation * kUnitDeviation});
    }
    return result;
  }

 private:
  [[nodiscard]] double guess(double size) const {
    return std::log(evaluate(guess_, {.size = size}));
  }

  [[nodiscard]] GaussianProcess solve() const {
    std::vector<double> covariances, values;
    for (const auto& a : known_) {
      values.push_back(a.log_seconds - guess(a.place.inputs.size));
      for (const auto& b : known_) covariances.push_back(covariance_of_curves(a.place, b.place));
    }
    return {covariances, kMeasurementVariance, values};
  }

  /// Seconds, and the standard deviation of a measurement's log.
  [[nodiscard]] std::pair<double, double> at(const Place& place) const {
    std::vector<double> cross;
    for (const auto& one : known_) cross.push_back(covariance_of_curves(place, one.place));
    const double variance = process_.variance(covariance_of_curves(place, place), cross);
    return {std::exp(guess(place.inputs.size) + process_.mean(cross)),
            std::sqrt(variance + kMeasurementVariance)};
  }

  [[nodiscard]] static bool is_of(const Place& place, const Series& series) {
    return place.operation == series.operation && place.conditions == series.conditions;
  }

  std::vector<Known> known_;
  Model guess_;
  GaussianProcess process_;
  std::vector<GaussianProcess::LeftOut> left_out_;
};

}  // namespace

bool are_sparse(std::span<const Series* const> curves) {
  std::vector<double> counts;
  std::size_t points = 0;
  for (const auto* series : curves) {
    counts.push_back(static_cast<double>(series->points.size()));
    points += series->points.size();
  }
  return curves.size() > 1 && points >= kFewestPoints && points <= kMostPoints &&
         median(counts) < kDenseCurve;
}

std::vector<PooledCurve> fit_pooled_curves(std::span<const Series* const> curves) {
  const Pool pool{curves};
  std::vector<PooledCurve> result;
  for (const auto* series : curves) result.push_back(pool.curve(*series));
  return result;
}

std::vector<std::vector<const Series*>> pools_of(std::span<const Series> series) {
  using Key = std::tuple<std::string, std::string, std::string, Settings>;
  std::map<Key, std::vector<const Series*>> pools;
  for (const auto& one : series)
    if (one.family == Family::transfer && one.one_size && is_call_of_system(one.operation))
      pools[{one.system, one.conditions.implementation, one.conditions.release,
             one.conditions.settings}]
          .push_back(&one);
  std::vector<std::vector<const Series*>> result;
  for (auto& [key, pool] : pools) result.push_back(std::move(pool));
  return result;
}

}  // namespace moecal::calibration
