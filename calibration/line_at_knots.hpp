// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "calibration/form.hpp"
#include "calibration/knot_screen.hpp"

namespace moecal::calibration {

/// A line whose cost is this many times the best one's after two steps hardly ever becomes the
/// best, and neither does one that the screen ranks lower than this: on 100 fits to public curves
/// the cost comes to within 1 % of that of an exhaustive search in 95, without spikes or with.
inline constexpr double kHopeless = 1.3;
inline constexpr std::size_t kMostKnots = kMostLinear - 2;

/// Ascending. A search makes hundreds: they take no memory of their own.
class Knots {
 public:
  Knots() = default;
  Knots(std::initializer_list<double> knots) : Knots{std::span{knots.begin(), knots.size()}} {}
  explicit Knots(std::span<const double> knots) : count_{knots.size()} {
    std::copy(knots.begin(), knots.end(), values_.begin());
  }
  operator std::span<const double>() const { return std::span{values_}.first(count_); }
  [[nodiscard]] std::size_t size() const { return count_; }
  double operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] auto begin() const { return values_.begin(); }
  [[nodiscard]] auto end() const { return values_.begin() + static_cast<std::ptrdiff_t>(count_); }

 private:
  std::array<double, kMostKnots> values_{};
  std::size_t count_ = 0;
};

/// With its knots given the line is linear in its other parameters: re-weighted least squares.
/// Sizes ascend, so that the points of a segment are neighbours, and sums over each segment make up
/// the system: a point costs as much with three segments as with one.
class LineAtKnots {
 public:
  /// Of points that ascend in size.
  explicit LineAtKnots(std::span<const FitPoint> points);

  /// A latency, s, and a slope of each segment, s/B.
  using Row = std::array<double, kMostLinear>;
  struct Line {
    Row numbers{};
    double cost = std::numeric_limits<double>::infinity();
  };

  /// The best line, or a poor one where it is soon seen not to come below `to_beat`.
  [[nodiscard]] Line fit(const Knots& knots, double to_beat);

 private:
  struct Point {
    double size, seconds;
    double first_weight;  // in a first step, which is linearised at the point itself
  };
  struct Predicted {
    double seconds, residual;
  };
  struct Segment {
    double from = 0, length = 0;     // bytes; the last has no length
    std::size_t first = 0, end = 0;  // of its points
  };
  /// Over the points of a segment, with weights w, parts p = size - from and targets r: the sums of
  /// w, w p, w p p, w r and w p r, which the normal equations are made of.
  struct Sums {
    double w = 0, wp = 0, wpp = 0, wr = 0, wpr = 0;
  };

  void start(const Knots& knots);
  static double weight_of(const Predicted& predicted);
  /// Of one Gauss-Newton step on log(predicted / measured), linearised at the prediction.
  [[nodiscard]] Sums sums_of(const Segment& segment, bool first) const;
  [[nodiscard]] Row step(bool first) const;
  /// Whether a line's cost is above this, where a bound without a logarithm can tell: |log x| is at
  /// least |x - 1| / max(x, 1). Most lines of a search end here.
  [[nodiscard]] bool is_surely_above(double cost, const Row& line) const;
  /// The cost of a line; infinite where it is not positive, or seen to come above `hopeless` before
  /// all points were asked: the cost only grows from point to point.
  [[nodiscard]] double predict(const Row& line, double hopeless);

  std::vector<Point> points_;
  std::vector<Predicted> predicted_;
  std::array<Segment, kMostLinear - 1> segments_;
  std::size_t count_ = 0;
};

}  // namespace moecal::calibration
