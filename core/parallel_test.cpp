// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

namespace moecal {
namespace {

TEST(ParallelMap, KeepsTheOrderOfTheIndices) {
  const auto squares = parallel_map(1000, [](std::size_t i) { return i * i; });
  ASSERT_EQ(squares.size(), 1000U);
  for (std::size_t i = 0; i < squares.size(); ++i) EXPECT_EQ(squares[i], i * i);
}

TEST(ParallelMap, TakesResultsThatOnlyMove) {
  const auto owned = parallel_map(3, [](std::size_t i) { return std::make_unique<int>(i); });
  EXPECT_EQ(*owned.at(2), 2);
}

TEST(ParallelMap, OfNothingIsNothing) {
  EXPECT_TRUE(parallel_map(0, [](std::size_t i) { return i; }).empty());
}

TEST(ParallelMap, ThrowsWhatTheLowestIndexThrew) {
  const auto fail = [](std::size_t i) -> int {
    if (i % 2 == 1) throw std::runtime_error{std::to_string(i)};
    return 0;
  };
  try {
    (void)parallel_map(100, fail);
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "1");
  }
}

TEST(ForEachStretch, CoversEveryRowOnce) {
  for (const std::int64_t rows : {0, 1, 63, 64, 65, 1000}) {
    std::vector<int> seen(static_cast<std::size_t>(rows));
    for_each_stretch(rows, 64, [&](RowStretch stretch) {
      EXPECT_LE(stretch.count, 64);
      for (std::int64_t i = 0; i < stretch.count; ++i)
        ++seen.at(static_cast<std::size_t>(stretch.first + i));
    });
    EXPECT_EQ(std::ranges::count(seen, 1), rows);
  }
}

}  // namespace
}  // namespace moecal
