// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/sum_of_products.hpp"

#include <gtest/gtest.h>

namespace moecal::calibration {
namespace {

using Numbers = std::span<const std::int64_t>;

double number(Numbers numbers, std::size_t i) { return static_cast<double>(numbers[i]); }

TEST(SumOfProducts, IsFoundFromItsValues) {
  const auto function = [](Numbers x) {
    return 2 * number(x, 0) * number(x, 1) * number(x, 2) + 6 * number(x, 1) + 0.5;
  };
  const auto sum = SumOfProducts::find(3, function);
  ASSERT_TRUE(sum);
  const std::vector<double> a(150, 4), b(150, 10), c(150, 3);
  const std::vector<std::span<const double>> columns{a, b, c};
  std::vector<double> values(150);
  sum->evaluate(columns, values);
  for (const double value : values) EXPECT_EQ(value, 2 * 4 * 10 * 3 + 6 * 10 + 0.5);
}

TEST(SumOfProducts, WhatIsNoneIsNotTakenForOne) {
  EXPECT_FALSE(SumOfProducts::find(1, [](Numbers x) { return number(x, 0) * number(x, 0); }));
  // Blocks of 128 are whole at none of the probes' numbers but one.
  EXPECT_FALSE(SumOfProducts::find(
      2, [](Numbers x) { return number(x, 0) * static_cast<double>((x[1] + 127) / 128); }));
  EXPECT_FALSE(SumOfProducts::find(7, [](Numbers) { return 0.0; }));
}

}  // namespace
}  // namespace moecal::calibration
