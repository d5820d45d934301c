// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/line_at_knots.hpp"

#include <cmath>
#include <utility>

#include "calibration/piecewise.hpp"

namespace moecal::calibration {
namespace {

/// Lines are given up at more after the first step: that step knows nothing yet of spikes. On 240
/// fits to public curves this changed none.
constexpr double kHopelessAtFirst = 2;
constexpr double kHalf = 0.5 * kLineLossScale * kLineLossScale;  // of a sum of logarithms: a cost

}  // namespace

LineAtKnots::LineAtKnots(std::span<const FitPoint> points) : predicted_(points.size()) {
  for (const auto& [inputs, seconds] : points)
    points_.push_back({inputs.size, seconds, 1 / (seconds * seconds)});
}

LineAtKnots::Line LineAtKnots::fit(const Knots& knots, double to_beat) {
  start(knots);
  Line best;
  for (int iteration = 0; iteration < 12; ++iteration) {
    const auto line = step(iteration == 0);
    const double hopeless = (iteration == 0 ? kHopelessAtFirst : kHopeless) * to_beat;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const double now = is_surely_above(hopeless, line) ? kInfinity : predict(line, hopeless);
    const bool settled = !(now < best.cost * (1 - 1e-5));
    if (now < best.cost) best = {line, now};
    if (!std::isfinite(now) || (settled && iteration > 2)) break;
    if (now > hopeless) break;
  }
  return best;
}

void LineAtKnots::start(const Knots& knots) {
  count_ = knots.size() + 1;
  std::size_t at = 0;
  for (std::size_t j = 0; j < count_; ++j) {
    const bool last = j == knots.size();
    auto& segment = segments_[j];
    segment = {j == 0 ? 0 : knots[j - 1], 0, at, points_.size()};
    if (last) break;
    segment.length = knots[j] - segment.from;
    while (at < points_.size() && points_[at].size <= knots[j]) ++at;
    segment.end = at;
  }
}

double LineAtKnots::weight_of(const Predicted& predicted) {
  const double scaled = predicted.residual / kLineLossScale;
  return 1 / ((1 + scaled * scaled) * predicted.seconds * predicted.seconds);
}

LineAtKnots::Sums LineAtKnots::sums_of(const Segment& segment, bool first) const {
  Sums sums;
  for (std::size_t r = segment.first; r < segment.end; ++r) {
    const auto [at, residual] = first ? Predicted{points_[r].seconds, 0} : predicted_[r];
    const double w = first ? points_[r].first_weight : weight_of(predicted_[r]);
    const double p = points_[r].size - segment.from;
    const double wp = w * p, target = at * (1 - residual);
    sums.w += w;
    sums.wp += wp;
    sums.wpp += wp * p;
    sums.wr += w * target;
    sums.wpr += wp * target;
  }
  return sums;
}

LineAtKnots::Row LineAtKnots::step(bool first) const {
  SmallSystem system;
  system.size = count_ + 1;
  auto& matrix = system.matrix;
  for (std::size_t j = 0; j < count_; ++j) {
    const auto sums = sums_of(segments_[j], first);
    // A point here is 1, the whole length of every segment before, and its part of this one.
    Row whole{1};
    for (std::size_t i = 0; i < j; ++i) whole[i + 1] = segments_[i].length;
    for (std::size_t i = 0; i <= j; ++i) {
      for (std::size_t k = 0; k <= i; ++k) matrix[i][k] += whole[i] * whole[k] * sums.w;
      matrix[j + 1][i] += whole[i] * sums.wp;
      system.right[i] += whole[i] * sums.wr;
    }
    matrix[j + 1][j + 1] += sums.wpp;
    system.right[j + 1] += sums.wpr;
  }
  return solve_non_negative(system);
}

bool LineAtKnots::is_surely_above(double cost, const Row& line) const {
  const double most = std::exp(cost / kHalf * (1 + 1e-9));  // of the product; with room to round
  if (!(most < 1e300)) return false;
  double product = 1, base = line[0];
  for (std::size_t j = 0; j < count_; ++j) {
    const auto& segment = segments_[j];
    for (std::size_t r = segment.first; r < segment.end; ++r) {
      const auto& point = points_[r];
      const double at = base + line[j + 1] * (point.size - segment.from);
      const double scaled = (at - point.seconds) / (std::max(at, point.seconds) * kLineLossScale);
      product *= 1 + scaled * scaled;
      if (!(at > 0) || product > most) return true;
    }
    base += line[j + 1] * segment.length;
  }
  return false;
}

double LineAtKnots::predict(const Row& line, double hopeless) {
  double cost = 0, product = 1, base = line[0];
  for (std::size_t j = 0; j < count_; ++j) {
    const auto& segment = segments_[j];
    for (std::size_t r = segment.first; r < segment.end; ++r) {
      const double at = base + line[j + 1] * (points_[r].size - segment.from);
      if (!(at > 0)) return std::numeric_limits<double>::infinity();
      predicted_[r] = {at, std::log(at / points_[r].seconds)};
      const double scaled = predicted_[r].residual / kLineLossScale;
      product *= 1 + scaled * scaled;
      // A logarithm of eight factors in the place of eight logarithms.
      if (r % 8 != 7) continue;
      cost += std::log(std::exchange(product, 1));
      if (kHalf * cost > hopeless) return std::numeric_limits<double>::infinity();
    }
    base += line[j + 1] * segment.length;
  }
  return kHalf * (cost + std::log(product));
}

}  // namespace moecal::calibration
