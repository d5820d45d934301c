// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/radial_basis.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "calibration/array_math.hpp"
#include "calibration/conformal.hpp"

namespace moecal::calibration {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr std::size_t kSearchPoints = 200;
constexpr std::array<double, 4> kLengths{1, 2, 4, 8};
constexpr std::array<double, 3> kNoises{0.1, 0.4, 1.5};

double kernel(double squared_distance) {
  const double d = std::sqrt(3 * squared_distance);
  return (1 + d) * std::exp(-d);
}

double squared_distance(std::span<const double> a, std::span<const double> b,
                        std::span<const double> lengths) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = (a[i] - b[i]) / lengths[i];
    sum += d * d;
  }
  return sum;
}

Matrix kernel_matrix(std::span<const Coordinates> centres, std::span<const double> lengths) {
  const auto n = static_cast<Eigen::Index>(centres.size());
  Matrix matrix(n, n);
  for (Eigen::Index i = 0; i < n; ++i)
    for (Eigen::Index j = 0; j <= i; ++j)
      matrix(i, j) = matrix(j, i) = kernel(squared_distance(
          centres[static_cast<std::size_t>(i)], centres[static_cast<std::size_t>(j)], lengths));
  return matrix;
}

Vector vector_of(std::span<const double> values) {
  return Eigen::Map<const Vector>(values.data(), static_cast<Eigen::Index>(values.size()));
}

/// What each point's neighbours get wrong about it, in closed form from one inverse.
Vector left_out_errors(const Matrix& kernels, const Vector& noise, const Vector& targets) {
  Matrix matrix = kernels;
  matrix.diagonal() += noise;
  const Matrix inverse = matrix.llt().solve(Matrix::Identity(matrix.rows(), matrix.cols()));
  return (inverse * targets).cwiseQuotient(inverse.diagonal());
}

double left_out_score(std::span<const Coordinates> centres, const Vector& targets,
                      const RadialBasis& basis) {
  const auto kernels = kernel_matrix(centres, basis.lengths);
  const Vector noise = Vector::Constant(targets.size(), basis.noise);
  return left_out_errors(kernels, noise, targets).cwiseAbs().cwiseMin(kSpikeCap).mean();
}

/// Places that are worked on together: what belongs to them stays in the nearest cache.
constexpr std::size_t kPlaces = 256;
using OfPlaces = std::array<double, kPlaces>;

/// Adds weight kernel(squared distance) at each place.
void add_terms(double weight, const OfPlaces& squared, std::span<double> sums) {
  const auto count = static_cast<Eigen::Index>(sums.size());
  OfPlaces away, decay;
  Eigen::Map<Eigen::ArrayXd> minus{away.data(), count};
  minus = -(3 * Eigen::Map<const Eigen::ArrayXd>{squared.data(), count}).sqrt();
  exponentials(std::span{away}.first(sums.size()), std::span{decay}.first(sums.size()));
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += weight * ((1 - away[i]) * decay[i]);
}

}  // namespace

RadialBasis choose_radial_basis(std::span<const Coordinates> centres,
                                std::span<const double> targets) {
  const std::size_t count = std::min(kSearchPoints, centres.size());
  std::vector<Coordinates> some;
  Vector values(static_cast<Eigen::Index>(count));
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = i * centres.size() / count;
    some.push_back(centres[row]);
    values[static_cast<Eigen::Index>(i)] = targets[row];
  }
  RadialBasis best{std::vector<double>(centres.front().size(), 2.0), kNoises[1], {}};
  double least = left_out_score(some, values, best);
  const auto attempt = [&](const RadialBasis& basis) {
    const double score = left_out_score(some, values, basis);
    if (score >= least) return;
    least = score;
    best = basis;
  };
  for (int sweep = 0; sweep < 2; ++sweep) {
    for (std::size_t i = 0; i < best.lengths.size(); ++i)
      for (const double length : kLengths) {
        if (length == best.lengths[i]) continue;
        auto other = best;
        other.lengths[i] = length;
        attempt(other);
      }
    for (const double noise : kNoises)
      if (noise != best.noise) attempt({best.lengths, noise, {}});
  }
  return best;
}

RadialBasis fit_radial_basis(std::span<const Coordinates> centres, std::span<const double> targets,
                             RadialBasis chosen) {
  const auto kernels = kernel_matrix(centres, chosen.lengths);
  const Vector values = vector_of(targets);
  Vector noise = Vector::Constant(values.size(), chosen.noise);
  const Vector errors = left_out_errors(kernels, noise, values).cwiseAbs();
  std::vector<double> sorted(errors.data(), errors.data() + errors.size());
  std::nth_element(sorted.begin(), sorted.begin() + errors.size() / 2, sorted.end());
  // Twice the median error is usual; noise grows with what is beyond it.
  const double usual = std::max(2 * sorted[sorted.size() / 2], std::numeric_limits<double>::min());
  noise = noise.cwiseProduct((errors / usual).cwiseMax(1));
  Matrix matrix = kernels;
  matrix.diagonal() += noise;
  const Vector weights = matrix.llt().solve(values);
  chosen.weights.assign(weights.data(), weights.data() + weights.size());
  return chosen;
}

double evaluate(const RadialBasis& basis, std::span<const Coordinates> centres,
                std::span<const double> at) {
  double sum = 0;
  for (std::size_t i = 0; i < centres.size(); ++i)
    sum += basis.weights[i] * kernel(squared_distance(centres[i], at, basis.lengths));
  return sum;
}

PreparedBasis::PreparedBasis(const RadialBasis& basis, std::span<const Coordinates> centres)
    : basis_{basis}, centres_{centres.begin(), centres.end()} {
  centres_.resize(std::min(centres_.size(), basis.weights.size()));
  for (auto& centre : centres_)
    for (std::size_t c = 0; c < centre.size(); ++c) centre[c] /= basis.lengths[c];
}

/// Centre by centre, so that the terms of a place add up in the order that evaluate() has them.
void PreparedBasis::values(std::span<const std::vector<double>> columns,
                           std::span<double> out) const {
  std::fill(out.begin(), out.end(), 0);
  std::vector<OfPlaces> places(basis_.lengths.size());
  for (std::size_t from = 0; from < out.size(); from += kPlaces) {
    const auto sums = out.subspan(from, std::min(kPlaces, out.size() - from));
    for (std::size_t c = 0; c < places.size(); ++c)
      for (std::size_t i = 0; i < sums.size(); ++i)
        places[c][i] = columns[c][from + i] / basis_.lengths[c];
    for (std::size_t centre = 0; centre < centres_.size(); ++centre) {
      OfPlaces squared{};
      for (std::size_t c = 0; c < places.size(); ++c)
        for (std::size_t i = 0; i < sums.size(); ++i) {
          const double apart = centres_[centre][c] - places[c][i];
          squared[i] += apart * apart;
        }
      add_terms(basis_.weights[centre], squared, sums);
    }
  }
}

}  // namespace moecal::calibration
