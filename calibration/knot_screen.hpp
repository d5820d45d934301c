// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <span>
#include <vector>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// The most parameters of a continuous line that are linear: a latency and three slopes.
inline constexpr std::size_t kMostLinear = 4;

/// A small symmetric system, kept in place: thousands are solved in one search for knots. Of its
/// matrix what stands above the diagonal is not looked at.
struct SmallSystem {
  std::size_t size = 0;
  std::array<std::array<double, kMostLinear>, kMostLinear> matrix{};
  std::array<double, kMostLinear> right{};
};

/// Its non-negative solution: what would be negative is held at zero, the most negative first.
[[nodiscard]] std::array<double, kMostLinear> solve_non_negative(const SmallSystem& system);

/// How well a continuous line with given knots can follow points, by relative squares: what a
/// search asks of every pair of knots before it fits the promising ones. Sums over the points are
/// taken once, so that a question costs the same however many points there are.
class KnotScreen {
 public:
  /// `points` ascend in size; at least one.
  explicit KnotScreen(std::span<const FitPoint> points);

  /// The least sum of squared (predicted / measured - 1) over latency and slopes that are
  /// not negative. `knots` ascend, at most two.
  [[nodiscard]] double cost(std::span<const double> knots) const;

 private:
  /// Over the points from one on: of w = 1 / seconds^2, and of w s, w s^2, w t, w s t.
  struct Sums {
    double w = 0, ws = 0, wss = 0, wt = 0, wst = 0;
  };
  [[nodiscard]] const Sums& from(double size) const;

  double unit_ = 1;  // sizes are taken in units of the largest
  std::vector<double> sizes_;
  std::vector<Sums> sums_;  // one more than points: the last is of none
};

}  // namespace moecal::calibration
