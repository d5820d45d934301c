// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/checked_rows.hpp"

#include <gtest/gtest.h>

namespace moecal {
namespace {

TEST(CheckedRows, AreAsManyAsTheLargestOfThreeNumbers) {
  EXPECT_EQ(enough_rows(10000, 1 << 20), 1024);
  EXPECT_EQ(enough_rows(10000, 1 << 10), 1 << 13) << "as many elements as are looked at whole";
  EXPECT_EQ(enough_rows(100000, 1 << 20), 100000 / 32);
  EXPECT_EQ(enough_rows(10000, 0), kFullCheckElements) << "rows of nothing";
}

TEST(CheckedRows, AreSharedByResultsButForOneOfEach32) {
  EXPECT_EQ(enough_rows(10000, 1 << 20, 2), 512);
  EXPECT_EQ(enough_rows(10000, 1 << 10, 4), 1 << 11);
  EXPECT_EQ(enough_rows(10000, 1 << 20, 64), 313) << "of 10000, rounded up";
}

TEST(CheckedRows, LieInEveryStretchAndAreAlwaysTheSame) {
  const auto rows = row_of_each_stretch(1000, 7);
  ASSERT_EQ(rows.size(), 7U);
  for (std::int64_t i = 0; i < 7; ++i) {
    EXPECT_GE(rows[static_cast<std::size_t>(i)], i * 1000 / 7);
    EXPECT_LT(rows[static_cast<std::size_t>(i)], (i + 1) * 1000 / 7);
  }
  EXPECT_EQ(rows, row_of_each_stretch(1000, 7));
  EXPECT_EQ(row_of_each_stretch(3, 3), (std::vector<std::int64_t>{0, 1, 2})) << "each one";
  EXPECT_TRUE(row_of_each_stretch(0, 0).empty());
}

}  // namespace
}  // namespace moecal
