// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/least_squares.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// y = exp(a x) at x = 0, 1, 2, ... with a = 0.3, one row a spike.
LeastSquares exponential(std::size_t spike) {
  LeastSquares problem;
  problem.rows = 10;
  problem.residual = [spike](std::span<const double> p, std::size_t row) {
    const auto x = static_cast<double>(row);
    return (p[0] - 0.3) * x + p[1] - 1 - (row == spike ? 2 : 0);
  };
  problem.start = {0, 0};
  problem.lower = {-5, -5};
  problem.upper = {5, 5};
  return problem;
}

TEST(Solve, FindsTheParametersWithASpikeAmongTheRows) {
  const auto solution = solve(exponential(4));
  EXPECT_NEAR(solution.parameters[0], 0.3, 1e-3);
  EXPECT_NEAR(solution.parameters[1], 1, 5e-3);
}

TEST(Solve, WithoutALossScaleIsPlainLeastSquares) {
  auto problem = exponential(0);
  problem.loss_scale = 0;
  const auto solution = solve(problem);
  // Ordinary least squares of a spike of 2 at x = 0 over x = 0..9: by hand.
  EXPECT_NEAR(solution.parameters[0], 0.3 - 2 * 4.5 / 82.5, 1e-8);
  EXPECT_NEAR(solution.parameters[1], 1 + 2 * (0.1 + 4.5 * 4.5 / 82.5), 1e-8);
  // Standard errors of the same by the textbook: sigma^2 = squares / 8.
  const double squares = 4 * (1 - 0.1 - 4.5 * 4.5 / 82.5);
  EXPECT_NEAR(solution.standard_errors[0], std::sqrt(squares / 8 / 82.5), 1e-8);
}

TEST(Solve, StaysBetweenItsBoundsAndSaysSo) {
  auto problem = exponential(100);
  problem.upper = {0.2, 5};
  const auto solution = solve(problem);
  EXPECT_DOUBLE_EQ(solution.parameters[0], 0.2);
  EXPECT_EQ(solution.standard_errors[0], 0);
  EXPECT_GT(solution.standard_errors[1], 0);
}

TEST(Solve, LeavesABoundItStartsOn) {
  auto problem = exponential(100);
  problem.start = {-5, 5};
  EXPECT_NEAR(solve(problem).parameters[0], 0.3, 1e-8);
}

TEST(Solve, AllRowsAtOnceAreTheSameAsOneByOne) {
  auto by_row = exponential(4), at_once = exponential(4);
  at_once.evaluate_all = [&](std::span<const double> p, std::span<double> residuals,
                             std::span<double> slopes) {
    for (std::size_t row = 0; row < residuals.size(); ++row) {
      residuals[row] = by_row.residual(p, row);
      if (slopes.empty()) continue;
      slopes[2 * row] = static_cast<double>(row);
      slopes[2 * row + 1] = 1;
    }
  };
  const auto one = solve(by_row), other = solve(at_once);
  EXPECT_NEAR(one.cost, other.cost, 1e-12);
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(one.parameters[i], other.parameters[i], 1e-7);
}

TEST(Solve, ResidualsOfAllRowsAreDifferentiatedAsOneByOne) {
  auto by_row = exponential(4), of_all = exponential(4);
  by_row.gradient = {};
  of_all.residual = {};
  of_all.gradient = {};
  of_all.residuals_of_all = [&](std::span<const double> p, std::span<double> residuals) {
    for (std::size_t row = 0; row < residuals.size(); ++row)
      residuals[row] = by_row.residual(p, row);
  };
  const auto one = solve(by_row), other = solve(of_all);
  EXPECT_EQ(one.cost, other.cost);
  EXPECT_EQ(one.parameters, other.parameters);
  EXPECT_EQ(one.standard_errors, other.standard_errors);
}

TEST(Solve, ACurvedValleyIsFollowedToItsEnd) {
  LeastSquares problem;  // Rosenbrock's
  problem.rows = 2;
  problem.residual = [](std::span<const double> p, std::size_t row) {
    return row == 0 ? 10 * (p[1] - p[0] * p[0]) : 1 - p[0];
  };
  problem.loss_scale = 0;
  problem.start = {-1.2, 1};
  problem.lower = {-5, -5};
  problem.upper = {5, 5};
  const auto solution = solve(problem);
  EXPECT_NEAR(solution.parameters[0], 1, 1e-6);
  EXPECT_NEAR(solution.parameters[1], 1, 1e-6);
}

TEST(Solve, StepsBackFromPlacesWhereASquareOverflows) {
  LeastSquares problem;  // log(p) - 1, but past 4 a number whose square is infinite
  problem.rows = 3;
  problem.residual = [](std::span<const double> p, std::size_t row) {
    if (row == 1) return 0.0;  // after the infinite one in a group of four
    return p[0] > 4 ? 1e200 : std::log(p[0]) - 1;
  };
  problem.loss_scale = 0.1;
  problem.start = {1};
  problem.lower = {0.1};
  problem.upper = {100};
  EXPECT_NEAR(solve(problem).parameters[0], std::exp(1.0), 1e-3);
  problem.start = {5};
  EXPECT_THROW((void)solve(problem), Error);
}

TEST(Solve, RefusesAStartWithoutAValue) {
  auto problem = exponential(4);
  problem.residual = [](auto, std::size_t) { return std::numeric_limits<double>::quiet_NaN(); };
  EXPECT_THROW((void)solve(problem), Error);
}

}  // namespace
}  // namespace moecal::calibration
