// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/knot_screen.hpp"

#include <algorithm>
#include <cmath>

namespace moecal::calibration {
namespace {

using Vector = std::array<double, kMostLinear>;
using Which = std::array<std::size_t, kMostLinear>;

constexpr double kDiagonal = 1 + 1e-12;  // of a normalised system

/// Cholesky solution of the rows and columns `which[0..N)` of a normalised system; false where the
/// matrix is not positive definite. N is known to the compiler, for loops as short as these cost
/// more than what they do.
template <std::size_t N>
bool solve_part(const SmallSystem& system, const Which& which, Vector& out) {
  static const double kFirstInverse = 1 / std::sqrt(kDiagonal);
  std::array<std::array<double, N>, N> lower;
  std::array<double, N> inverse;  // of the diagonal
  for (std::size_t i = 0; i < N; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double rest = system.matrix[which[i]][which[j]];
      for (std::size_t k = 0; k < j; ++k) rest -= lower[i][k] * lower[j][k];
      if (i == j && !(rest > 0)) return false;
      if (i == j) inverse[i] = i == 0 ? kFirstInverse : 1 / std::sqrt(rest);
      lower[i][j] = rest * inverse[j];
    }
  for (std::size_t i = 0; i < N; ++i) {
    out[i] = system.right[which[i]];
    for (std::size_t k = 0; k < i; ++k) out[i] -= lower[i][k] * out[k];
    out[i] *= inverse[i];
  }
  for (std::size_t i = N; i-- > 0;) {
    for (std::size_t k = i + 1; k < N; ++k) out[i] -= lower[k][i] * out[k];
    out[i] *= inverse[i];
  }
  return true;
}

bool solve_part(const SmallSystem& system, const Which& which, std::size_t count, Vector& out) {
  static_assert(kMostLinear == 4, "a case for every size");
  return count == 4   ? solve_part<4>(system, which, out)
         : count == 3 ? solve_part<3>(system, which, out)
         : count == 2 ? solve_part<2>(system, which, out)
                      : solve_part<1>(system, which, out);
}

/// Unit diagonal, and a ridge that is felt only where a parameter has no say of its own.
template <std::size_t N>
Vector normalise(const SmallSystem& given, SmallSystem& system) {
  Vector scale{};
  for (std::size_t i = 0; i < N; ++i)
    scale[i] = 1 / std::sqrt(std::max(given.matrix[i][i], 1e-300));
  for (std::size_t i = 0; i < N; ++i) {
    for (std::size_t j = 0; j < i; ++j)
      system.matrix[i][j] = given.matrix[i][j] * (scale[i] * scale[j]);
    system.matrix[i][i] = kDiagonal;
    system.right[i] = given.right[i] * scale[i];
  }
  return scale;
}

/// The best of the solutions that are not negative with fewer and fewer parameters free.
template <std::size_t N>
Vector solve_of_size(const SmallSystem& given) {
  SmallSystem system;
  const auto scale = normalise<N>(given, system);
  Which free{0, 1, 2, 3};
  Vector part{}, solution{};
  for (std::size_t count = N; count > 0; --count) {
    const bool solved = solve_part(system, free, count, part);
    const auto worst = std::min_element(part.begin(), part.begin() + count);
    if (solved && *worst >= 0) {
      for (std::size_t i = 0; i < count; ++i) solution[free[i]] = part[i] * scale[free[i]];
      return solution;
    }
    const auto gone = solved ? worst - part.begin() : static_cast<std::ptrdiff_t>(count) - 1;
    std::copy(free.begin() + gone + 1, free.begin() + count, free.begin() + gone);
  }
  return solution;
}

}  // namespace

std::array<double, kMostLinear> solve_non_negative(const SmallSystem& system) {
  return system.size == 4   ? solve_of_size<4>(system)
         : system.size == 3 ? solve_of_size<3>(system)
         : system.size == 2 ? solve_of_size<2>(system)
                            : solve_of_size<1>(system);
}

KnotScreen::KnotScreen(std::span<const FitPoint> points)
    : unit_{points.back().inputs.size}, sums_(points.size() + 1) {
  for (const auto& point : points) sizes_.push_back(point.inputs.size);
  for (std::size_t i = points.size(); i-- > 0;) {
    const double t = points[i].seconds, s = sizes_[i] / unit_, w = 1 / (t * t);
    const auto& next = sums_[i + 1];
    sums_[i] = {next.w + w, next.ws + w * s, next.wss + w * s * s, next.wt + w * t,
                next.wst + w * s * t};
  }
}

const KnotScreen::Sums& KnotScreen::from(double size) const {
  const auto first = std::lower_bound(sizes_.begin(), sizes_.end(), size);
  return sums_[static_cast<std::size_t>(first - sizes_.begin())];
}

double KnotScreen::cost(std::span<const double> knots) const {
  SmallSystem system;
  system.size = knots.size() + 2;
  system.matrix[0][0] = sums_[0].w;
  system.right[0] = sums_[0].wt;
  // The part of a size in segment j: none up to `a`, then size - a, then all of it past `b`.
  std::array<double, kMostLinear> length{};
  std::array<const Sums*, kMostLinear> sums{&sums_[0]};
  for (std::size_t j = 0; j <= knots.size(); ++j) {
    const double a = j == 0 ? 0 : knots[j - 1] / unit_;
    const bool last = j == knots.size();
    sums[j + 1] = last ? &sums_.back() : &from(knots[j]);
    const auto &in = *sums[j], &past = *sums[j + 1];
    length[j + 1] = last ? 0 : knots[j] / unit_ - a;
    const double whole = length[j + 1], w = in.w - past.w, ws = in.ws - past.ws;
    auto& row = system.matrix[j + 1];
    row[0] = ws - a * w + whole * past.w;
    row[j + 1] = in.wss - past.wss - a * (2 * ws - a * w) + whole * whole * past.w;
    for (std::size_t i = 1; i <= j; ++i) row[i] = length[i] * row[0];
    system.right[j + 1] = in.wst - past.wst - a * (in.wt - past.wt) + whole * past.wt;
  }
  const auto solution = solve_non_negative(system);
  double explained = 0;
  for (std::size_t i = 0; i < system.size; ++i) explained += solution[i] * system.right[i];
  // Sum of w t^2 is the number of points.
  return static_cast<double>(sizes_.size()) - explained;
}

}  // namespace moecal::calibration
