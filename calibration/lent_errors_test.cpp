// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/lent_errors.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace moecal::calibration {
namespace {

TEST(LentErrors, AreWidenedTheMoreTheFewerMachinesLentThem) {
  EXPECT_DOUBLE_EQ(for_another_machine(0), 1);
  EXPECT_DOUBLE_EQ(for_another_machine(1), std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(for_another_machine(3), std::sqrt(4.0 / 3));
}

TEST(LentErrors, AnOperationsOwnDecideWhereTheyAreManyAndWider) {
  const std::vector<ResidualQuantile> all{
      {0, 10, 0.2, 100}, {10, 20, 0.2, 100}, {20, 30, 0.2, 100}, {30, 0, 0.2, 100}};
  const std::vector<ResidualQuantile> own{{0, 10, 0.15, kOwnErrors},      // wider with the factor
                                          {10, 20, 0.05, kOwnErrors},     // narrower even so
                                          {20, 30, 0.4, kOwnErrors - 1},  // too few
                                          {30, 0, 0.4, kOwnErrors}};
  const auto result = wider(all, own, 2);
  ASSERT_EQ(result.size(), 4U);
  EXPECT_DOUBLE_EQ(result[0].half_width_90, 0.3);
  EXPECT_EQ(result[0].count, kOwnErrors);
  EXPECT_DOUBLE_EQ(result[1].half_width_90, 0.2);
  EXPECT_DOUBLE_EQ(result[2].half_width_90, 0.2);
  EXPECT_EQ(result[2].count, 100);
  EXPECT_DOUBLE_EQ(result[3].half_width_90, 0.8);
}

}  // namespace
}  // namespace moecal::calibration
