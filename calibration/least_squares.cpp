// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/least_squares.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Forms are parametrised in logarithms or other numbers of order one, so one step fits all.
constexpr double kStep = 1e-5;
constexpr double kFirstDamping = 1e-4, kMostDamping = 1e12;

void differentiate(const LeastSquares& problem, std::size_t row, std::vector<double>& at,
                   std::span<double> slopes) {
  if (problem.gradient) return problem.gradient(at, row, slopes);
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double centre = at[i];
    at[i] = centre + kStep;
    const double above = problem.residual(at, row);
    at[i] = centre - kStep;
    const double below = problem.residual(at, row);
    at[i] = centre;
    slopes[i] = (above - below) / (2 * kStep);
  }
}

/// The same of every row by one parameter after the other.
void differentiate_all(const LeastSquares& problem, std::span<const double> parameters,
                       std::span<double> slopes) {
  const std::size_t count = parameters.size();
  std::vector<double> at(parameters.begin(), parameters.end());
  std::vector<double> above(problem.rows), below(problem.rows);
  for (std::size_t i = 0; i < count; ++i) {
    at[i] = parameters[i] + kStep;
    problem.residuals_of_all(at, above);
    at[i] = parameters[i] - kStep;
    problem.residuals_of_all(at, below);
    at[i] = parameters[i];
    for (std::size_t row = 0; row < problem.rows; ++row)
      slopes[row * count + i] = (above[row] - below[row]) / (2 * kStep);
  }
}

/// Residuals, and slopes where there is room for them, of every row.
void evaluate_rows(const LeastSquares& problem, std::span<const double> parameters,
                   std::span<double> residuals, std::span<double> slopes) {
  if (problem.evaluate_all) return problem.evaluate_all(parameters, residuals, slopes);
  if (problem.residuals_of_all) {
    problem.residuals_of_all(parameters, residuals);
    if (!slopes.empty()) differentiate_all(problem, parameters, slopes);
    return;
  }
  std::vector<double> at(parameters.begin(), parameters.end());
  for (std::size_t row = 0; row < problem.rows; ++row) {
    residuals[row] = problem.residual(at, row);
    if (!slopes.empty())
      differentiate(problem, row, at, slopes.subspan(row * at.size(), at.size()));
  }
}

/// How much a row counts in the gradient: the derivative of rho by the squared residual.
double cauchy_weight(double residual, double scale) {
  return scale > 0 ? 1 / (1 + residual * residual / (scale * scale)) : 1;
}

/// Half the sum of rho over residuals: the sum of log(1 + r^2 / scale^2), a logarithm for every
/// four of them. `past` is what their product is past one, so that tiny residuals still count.
/// Infinite where a residual's square is, or is no number: a step that goes there is not taken.
double half_rho(std::span<const double> residuals, double scale) {
  double sum = 0, past = 0;
  for (std::size_t row = 0; row < residuals.size(); ++row) {
    if (scale == 0) {
      sum += residuals[row] * residuals[row];
      continue;
    }
    const double squared = residuals[row] * residuals[row] / (scale * scale);
    past += squared + past * squared;
    if (row % 4 == 3) sum += std::log1p(std::exchange(past, 0));
  }
  // Infinite times nothing, a group of four's product, is no number.
  const double half = 0.5 * (scale == 0 ? sum : scale * scale * (sum + std::log1p(past)));
  return std::isfinite(half) ? half : std::numeric_limits<double>::infinity();
}

/// A problem at one place: its cost, and where it goes down.
class Linearised {
 public:
  explicit Linearised(const LeastSquares& problem)
      : problem_{problem},
        residuals_(problem.rows),
        slopes_{RowMajor::Zero(static_cast<Eigen::Index>(problem.rows),
                               static_cast<Eigen::Index>(problem.start.size()))} {}

  /// Half the sum of rho; not finite where the problem has no value.
  double cost_at(std::span<const double> parameters) {
    // With its residual a row's slopes cost little, and most places are linearised at next.
    const bool with_slopes = static_cast<bool>(problem_.evaluate_all);
    evaluate_at(parameters, with_slopes);
    return cost();
  }

  void linearise_at(std::span<const double> parameters) {
    if (!std::equal(parameters.begin(), parameters.end(), has_slopes_of_.begin(),
                    has_slopes_of_.end()))
      evaluate_at(parameters, true);
    gradient.setZero(slopes_.cols());
    weighted_.resize(slopes_.rows(), slopes_.cols());
    const auto count = static_cast<std::size_t>(slopes_.cols());
    for (std::size_t row = 0; row < residuals_.size(); ++row) {
      const double weight = cauchy_weight(residuals_[row], problem_.loss_scale);
      add_weighted({slopes_.data() + row * count, count}, {weight, weight * residuals_[row]},
                   weighted_.data() + row * count);
    }
    curvature.noalias() = slopes_.transpose() * weighted_;
  }

  /// Weighted squares and weights: what a variance is made of.
  [[nodiscard]] std::pair<double, double> weighted_squares() const {
    double squares = 0, weights = 0;
    for (const double residual : residuals_) {
      const double weight = cauchy_weight(residual, problem_.loss_scale);
      squares += weight * residual * residual;
      weights += weight;
    }
    return {squares, weights};
  }

  Eigen::VectorXd gradient;
  Eigen::MatrixXd curvature;

 private:
  /// A row's part in the gradient, by its weighted residual, and its weighted slopes.
  void add_weighted(std::span<const double> slopes, std::pair<double, double> weight_and_residual,
                    double* weighted) {
    const auto [weight, residual] = weight_and_residual;
    for (std::size_t i = 0; i < slopes.size(); ++i) {
      gradient.data()[i] += residual * slopes[i];
      weighted[i] = slopes[i] * weight;
    }
  }

  void evaluate_at(std::span<const double> parameters, bool with_slopes) {
    evaluate_rows(
        problem_, parameters, residuals_,
        {slopes_.data(), with_slopes ? static_cast<std::size_t>(slopes_.size()) : std::size_t{0}});
    has_slopes_of_.assign(parameters.begin(), with_slopes ? parameters.end() : parameters.begin());
  }

  [[nodiscard]] double cost() const { return half_rho(residuals_, problem_.loss_scale); }

  const LeastSquares& problem_;
  std::vector<double> residuals_;
  RowMajor slopes_, weighted_;
  std::vector<double> has_slopes_of_;  // the place that residuals_ and slopes_ are of, or none
};

/// Of the place that `local` is of already, rows are not evaluated again.
std::vector<double> errors_at(Linearised& local, std::span<const double> parameters) {
  local.linearise_at(parameters);
  const auto count = static_cast<Eigen::Index>(parameters.size());
  const auto [squares, weights] = local.weighted_squares();
  const double freedom = std::max(1.0, weights - static_cast<double>(count));
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen{local.curvature};
  const double floor = 1e-10 * std::max(eigen.eigenvalues().maxCoeff(), 1e-300);
  std::vector<double> errors(parameters.size(), 0);
  for (Eigen::Index i = 0; i < count; ++i) {
    double variance = 0;
    for (Eigen::Index j = 0; j < count; ++j)
      if (eigen.eigenvalues()[j] > floor)
        variance += std::pow(eigen.eigenvectors()(i, j), 2) / eigen.eigenvalues()[j];
    errors[static_cast<std::size_t>(i)] = std::sqrt(variance * squares / freedom);
  }
  return errors;
}

/// A step is solved for the parameters that are not held at a bound by their slope.
class Descent {
 public:
  explicit Descent(const LeastSquares& problem)
      : problem_{problem}, at_{problem.start}, local_{problem} {
    for (std::size_t i = 0; i < at_.size(); ++i)
      at_[i] = std::clamp(at_[i], problem.lower[i], problem.upper[i]);
    cost_ = local_.cost_at(at_);
    if (!std::isfinite(cost_))
      throw Error{"a fit over " + std::to_string(problem.rows) +
                  " rows did not start: its form has no value at the start"};
  }

  LeastSquaresSolution run() {
    int iteration = 0;
    while (iteration < problem_.max_iterations && advance()) ++iteration;
    LeastSquaresSolution solution{at_, {}, cost_, iteration};
    if (problem_.wants_errors) solution.standard_errors = errors_at(local_, at_);
    return solution;
  }

 private:
  /// One accepted step; false when there is none worth taking.
  bool advance() {
    local_.linearise_at(at_);
    const auto free = free_parameters();
    if (free.empty()) return false;
    for (; damping_ < kMostDamping; damping_ *= 4) {
      const auto next = stepped(free);
      const double cost = local_.cost_at(next);
      if (!(cost < cost_)) continue;
      const bool settled = cost_ - cost < problem_.settled * cost_;
      at_ = next;
      cost_ = cost;
      damping_ = std::max(damping_ / 8, problem_.least_damping);
      return !settled;
    }
    return false;
  }

  [[nodiscard]] std::vector<Eigen::Index> free_parameters() const {
    std::vector<Eigen::Index> free;
    for (std::size_t i = 0; i < at_.size(); ++i) {
      const double slope = local_.gradient[static_cast<Eigen::Index>(i)];
      const bool held =
          (at_[i] <= problem_.lower[i] && slope > 0) || (at_[i] >= problem_.upper[i] && slope < 0);
      if (!held) free.push_back(static_cast<Eigen::Index>(i));
    }
    return free;
  }

  [[nodiscard]] std::vector<double> stepped(const std::vector<Eigen::Index>& free) const {
    Eigen::MatrixXd normal = local_.curvature(free, free);
    // A parameter that no row feels at this place must not make the system singular.
    const double least = 1e-9 * std::max(normal.diagonal().maxCoeff(), 1e-300);
    normal.diagonal() += damping_ * normal.diagonal().cwiseMax(least);
    const Eigen::VectorXd step = normal.ldlt().solve(-local_.gradient(free));
    auto next = at_;
    for (std::size_t i = 0; i < free.size(); ++i) {
      const auto which = static_cast<std::size_t>(free[i]);
      next[which] = std::clamp(at_[which] + step[static_cast<Eigen::Index>(i)],
                               problem_.lower[which], problem_.upper[which]);
    }
    return next;
  }

  const LeastSquares& problem_;
  std::vector<double> at_;
  Linearised local_;
  double cost_ = 0, damping_ = kFirstDamping;
};

}  // namespace

std::vector<double> standard_errors(const LeastSquares& problem,
                                    std::span<const double> parameters) {
  Linearised local{problem};
  return errors_at(local, parameters);
}

LeastSquaresSolution solve(const LeastSquares& problem) {
  auto solution = Descent{problem}.run();
  if (!problem.wants_errors) return solution;
  for (std::size_t i = 0; i < problem.start.size(); ++i)
    if (solution.parameters[i] <= problem.lower[i] || solution.parameters[i] >= problem.upper[i])
      solution.standard_errors[i] = 0;
  return solution;
}

}  // namespace moecal::calibration
