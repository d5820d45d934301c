// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/row_grid.cuh"

#include <gtest/gtest.h>

namespace moecal::kernels {
namespace {

// The emulated device has 3 multiprocessors: it holds 12 blocks of rows.

TEST(RowGrid, SharesTheBlocksThatAreFreeAmongFewLongRows) {
  const RowGrid rows = row_grid(2, 4 * 224, {1, 1});
  EXPECT_EQ(rows.block.x, 224U);
  EXPECT_EQ(rows.grid.x, 2U);
  EXPECT_EQ(rows.grid.y, 4U) << "a block for each pass";
  EXPECT_EQ(rows.step, 4 * 224);
}

TEST(RowGrid, GivesBlocksOfARowAboutAsManyPasses) {
  const RowGrid rows = row_grid(5, 7 * 256, {1, 1});
  EXPECT_EQ(rows.grid.y, 3U) << "of 3, 2 and 2 passes";
  EXPECT_EQ(rows.step, 3 * 256);
  EXPECT_EQ(row_grid(7, 3 * 256, {1, 1}).grid.y, 2U);
}

TEST(RowGrid, LeavesManyRowsAndShortOnesAlone) {
  const RowGrid many = row_grid(12, 4 * 256, {1, 2});
  EXPECT_EQ(many.grid.y, 1U);
  EXPECT_EQ(many.step, 2 * 256);
  const RowGrid few_short = row_grid(1, 33, {1, 1});
  EXPECT_EQ(few_short.grid.y, 1U);
  EXPECT_EQ(few_short.block.x, 64U);
  EXPECT_EQ(few_short.block.y, 4U);
}

}  // namespace
}  // namespace moecal::kernels
