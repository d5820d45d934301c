// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/array_math.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace moecal::calibration {
namespace {

TEST(ArrayMath, HasTheLibrarysLogarithmsAndExponentials) {
  std::mt19937 engine{11};
  std::uniform_real_distribution<double> wide{-700, 700}, narrow{-1, 1};
  std::vector<double> numbers{0, -0.0, 1, -1, -708, 709, std::log(2.0) / 2, -std::log(2.0) / 2};
  for (int i = 0; i < 20001; ++i) numbers.push_back(i % 2 == 0 ? wide(engine) : narrow(engine));
  std::vector<double> results(numbers.size());
  exponentials(numbers, results);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    EXPECT_NEAR(results[i] / std::exp(numbers[i]), 1, 1e-15) << numbers[i];
  EXPECT_EQ(results[0], 1);
  logarithms(results, results);  // in place
  for (std::size_t i = 0; i < numbers.size(); ++i)
    EXPECT_NEAR(results[i], numbers[i], 1e-15 * (1 + std::abs(numbers[i]))) << numbers[i];
}

TEST(ArrayMath, ExponentialsEndWhereNumbersDo) {
  std::vector<double> numbers{-1e300, -745, 1e300};
  exponentials(numbers, numbers);
  EXPECT_LT(numbers[0], 1e-300);
  EXPECT_LT(numbers[1], 1e-300);
  EXPECT_GT(numbers[2], 1e300);
}

}  // namespace
}  // namespace moecal::calibration
