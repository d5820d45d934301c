// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

namespace moecal::calibration {

/// Where a call lies, in octaves.
using Coordinates = std::vector<double>;

/// sum_i weights[i] kernel(distance of x and centres[i]), distance with one length a coordinate;
/// the kernel is Matern's of order 3/2. Far from every centre it is 0.
struct RadialBasis {
  std::vector<double> lengths;  // octaves, of each coordinate
  double noise = 0;             // variance of a point over that of the function
  std::vector<double> weights;  // of each centre
};

/// Lengths and noise with the least leave-one-out error of up to 200 of the points.
[[nodiscard]] RadialBasis choose_radial_basis(std::span<const Coordinates> centres,
                                              std::span<const double> targets);

/// The weights for chosen lengths and noise; points far off what their neighbours say count less.
[[nodiscard]] RadialBasis fit_radial_basis(std::span<const Coordinates> centres,
                                           std::span<const double> targets, RadialBasis chosen);

[[nodiscard]] double evaluate(const RadialBasis& basis, std::span<const Coordinates> centres,
                              std::span<const double> at);

/// A radial basis for many places: what does not change from one to the next is worked out once.
class PreparedBasis {
 public:
  /// `basis` must outlive it. Without weights there are no terms.
  PreparedBasis(const RadialBasis& basis, std::span<const Coordinates> centres);
  /// evaluate() at each place, within 1e-15 of the sum of its terms' sizes. `columns`: by
  /// coordinate; those past the centres' are not looked at.
  void values(std::span<const std::vector<double>> columns, std::span<double> out) const;

 private:
  const RadialBasis& basis_;
  std::vector<Coordinates> centres_;  // over the lengths
};

}  // namespace moecal::calibration
