// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/least_squares.hpp"

#include <ceres/ceres.h>

#include <Eigen/Dense>
#include <cmath>
#include <memory>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// Forms are parametrised in logarithms or other numbers of order one, so one step fits all.
constexpr double kStep = 1e-5;

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

class RowCost : public ceres::CostFunction {
 public:
  RowCost(const LeastSquares& problem, std::size_t row) : problem_{problem}, row_{row} {
    set_num_residuals(1);
    mutable_parameter_block_sizes()->push_back(static_cast<int>(problem.start.size()));
  }
  bool Evaluate(const double* const* blocks, double* residuals, double** jacobians) const override {
    std::vector<double> at(blocks[0], blocks[0] + problem_.start.size());
    residuals[0] = problem_.residual(at, row_);
    if (jacobians != nullptr && jacobians[0] != nullptr)
      differentiate(problem_, row_, at, {jacobians[0], at.size()});
    return std::isfinite(residuals[0]);
  }

 private:
  const LeastSquares& problem_;
  std::size_t row_;
};

ceres::Solver::Options solver_options(const LeastSquares& problem) {
  ceres::Solver::Options options;
  options.max_num_iterations = problem.max_iterations;
  options.linear_solver_type = ceres::DENSE_QR;
  options.num_threads = 1;
  options.logging_type = ceres::SILENT;
  options.function_tolerance = 1e-8;
  return options;
}

double cauchy_weight(double residual, double scale) {
  return scale > 0 ? 1 / (1 + residual * residual / (scale * scale)) : 1;
}

}  // namespace

std::vector<double> standard_errors(const LeastSquares& problem,
                                    std::span<const double> parameters) {
  const auto count = static_cast<Eigen::Index>(parameters.size());
  Eigen::MatrixXd information = Eigen::MatrixXd::Zero(count, count);
  std::vector<double> at(parameters.begin(), parameters.end());
  double squares = 0, weights = 0;
  for (std::size_t row = 0; row < problem.rows; ++row) {
    const double residual = problem.residual(at, row);
    const double weight = cauchy_weight(residual, problem.loss_scale);
    Eigen::VectorXd slope(count);
    differentiate(problem, row, at, {slope.data(), parameters.size()});
    information += weight * slope * slope.transpose();
    squares += weight * residual * residual;
    weights += weight;
  }
  const double freedom = std::max(1.0, weights - static_cast<double>(count));
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen{information};
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

LeastSquaresSolution solve(const LeastSquares& problem) {
  LeastSquaresSolution solution;
  solution.parameters = problem.start;
  ceres::CauchyLoss cauchy{problem.loss_scale > 0 ? problem.loss_scale : 1};
  ceres::Problem::Options options;
  options.loss_function_ownership = ceres::DO_NOT_TAKE_OWNERSHIP;
  ceres::Problem least_squares{options};
  for (std::size_t row = 0; row < problem.rows; ++row)
    least_squares.AddResidualBlock(new RowCost{problem, row},
                                   problem.loss_scale > 0 ? &cauchy : nullptr,
                                   solution.parameters.data());
  for (std::size_t i = 0; i < problem.start.size(); ++i) {
    const int index = static_cast<int>(i);
    least_squares.SetParameterLowerBound(solution.parameters.data(), index, problem.lower[i]);
    least_squares.SetParameterUpperBound(solution.parameters.data(), index, problem.upper[i]);
  }
  ceres::Solver::Summary summary;
  ceres::Solve(solver_options(problem), &least_squares, &summary);
  if (!summary.IsSolutionUsable())
    throw Error{"a fit over " + std::to_string(problem.rows) +
                " rows did not start: " + summary.message};
  solution.cost = summary.final_cost;
  solution.standard_errors = standard_errors(problem, solution.parameters);
  for (std::size_t i = 0; i < problem.start.size(); ++i)
    if (solution.parameters[i] <= problem.lower[i] || solution.parameters[i] >= problem.upper[i])
      solution.standard_errors[i] = 0;
  return solution;
}

}  // namespace moecal::calibration
