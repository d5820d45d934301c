// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/knot_screen.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "calibration/piecewise.hpp"

namespace moecal::calibration {
namespace {

TEST(SolveNonNegative, SolvesAndHoldsTheNegativeAtZero) {
  SmallSystem system;
  system.size = 2;
  system.matrix[0] = {2, 1};
  system.matrix[1] = {1, 3};
  system.right = {4, 7};
  auto x = solve_non_negative(system);
  EXPECT_NEAR(x[0], 1, 1e-10);
  EXPECT_NEAR(x[1], 2, 1e-10);
  system.right = {4, -1};  // freely (2.6, -1.2): the second is held, the first is 4 / 2
  x = solve_non_negative(system);
  EXPECT_NEAR(x[0], 2, 1e-10);
  EXPECT_EQ(x[1], 0);
}

Piecewise line_of(double latency, std::vector<double> slopes, std::vector<double> knots) {
  Piecewise line;
  line.latency = latency;
  line.slopes = std::move(slopes);
  line.knots = std::move(knots);
  return line;
}

std::vector<FitPoint> on(const Piecewise& line) {
  std::vector<FitPoint> points;
  for (double size = 512; size < 1e9; size *= 2)
    points.push_back({{.size = size}, piecewise_seconds(line, size)});
  return points;
}

TEST(KnotScreen, IsExactAtTheKnotsThatMadeThePoints) {
  const auto truth = line_of(8e-6, {1 / 5e9, 1 / 50e9, 1 / 400e9}, {65536, 4194304});
  const auto points = on(truth);
  const KnotScreen screen{points};
  EXPECT_NEAR(screen.cost(truth.knots), 0, 1e-9);
  EXPECT_GT(screen.cost(std::vector{32768.0, 4194304.0}), 1e-4);
  EXPECT_GT(screen.cost(std::vector{65536.0}), 1e-3);
  EXPECT_GT(screen.cost({}), screen.cost(std::vector{65536.0}));
}

TEST(KnotScreen, CountsWhatALineWithoutFallingSlopesCannotFollow) {
  // Time falls from the first size to the second: the best flat line misses both alike.
  const std::vector<FitPoint> points{{{.size = 1}, 2.0}, {{.size = 2}, 1.0}};
  // min over a of (a/2 - 1)^2 + (a - 1)^2 is at a = 1.2, and 0.2.
  EXPECT_NEAR(KnotScreen{points}.cost({}), 0.2, 1e-9);
}

}  // namespace
}  // namespace moecal::calibration
