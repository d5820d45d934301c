// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/own_bench.hpp"
#include "tests/launch_is_verified.hpp"

#include <gtest/gtest.h>

#include <string>

namespace moecal::bench {

std::unique_ptr<Benchmark> make_quantize();
std::unique_ptr<Benchmark> make_swiglu();

namespace {

TEST(RowsToCheck, AreAllOfASmallArray) {
  EXPECT_EQ(rows_to_check(3, 1024), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_TRUE(rows_to_check(0, 1024).empty());
  EXPECT_EQ(check_method(rows_to_check(8192, 1024), 8192), "full");
}

TEST(RowsToCheck, AreSpreadOverALargeArrayFromItsFirstToItsLast) {
  for (const std::int64_t elements : {1024, 14336}) {
    const auto rows = rows_to_check(163840, elements);
    ASSERT_EQ(rows.size(), elements == 1024 ? 8192U : 1024U);
    EXPECT_EQ(rows.front(), 0);
    EXPECT_EQ(rows.back(), 163839);
    const auto stretch = 163840 / static_cast<std::int64_t>(rows.size());
    for (std::size_t i = 1; i < rows.size(); ++i) {
      EXPECT_GT(rows[i], rows[i - 1]);
      EXPECT_LT(rows[i], rows[i - 1] + 2 * stretch) << "a wrong tile is seen";
    }
    EXPECT_EQ(check_method(rows, 163840), std::to_string(rows.size()) + " of 163840 rows");
  }
}

TEST(RowsToCheck, AreTakenOutOfWhatTheyAreOf) {
  const std::vector<std::byte> array{std::byte{1}, std::byte{2}, std::byte{3},
                                     std::byte{4}, std::byte{5}, std::byte{6}};
  EXPECT_EQ(rows_of(array, {0, 2}, 2),
            (std::vector<std::byte>{std::byte{1}, std::byte{2}, std::byte{5}, std::byte{6}}));
  EXPECT_EQ(columns_of({1, 2, 3, 4, 5, 6}, {0, 2}, 3), (std::vector<float>{1, 3, 4, 6}));
}

struct Given {
  std::unique_ptr<Benchmark> (*make)();
  std::string columns, to, scale_mode;
};

// A result that no launch has written is wrong, also where only some rows are looked at.
TEST(OwnTrial, VerifiesSomeRowsOfALargeResult) {
  const auto world = make_single_rank_plane();
  Context context{*world};
  for (const auto& [make, columns, to, scale_mode] :
       {Given{make_quantize, "hidden", "fp8_e4m3", "tensor"},
        Given{make_quantize, "hidden", "fp8_e4m3", "block_1x128"},
        Given{make_swiglu, "inner", "fp8_e4m3", "block_1x128"},
        Given{make_swiglu, "inner", "bf16", "none"}}) {
    for (const std::int64_t tokens : {33, 10000}) {
      SCOPED_TRACE(columns + " " + to + " " + scale_mode + " " + std::to_string(tokens));
      Case of;
      of.point = {{"tokens", tokens}, {columns, 1000}};
      of.dtypes.a = "bf16";
      of.dtypes.c = to;
      of.dtypes.scale_mode = scale_mode;
      const auto trial = make()->make_trial(kOracleLoop, of, context);
      const auto after = tests::expect_launch_is_verified(*trial, 1);
      EXPECT_EQ(after.method == "full", tokens == 33) << after.method;
    }
  }
}

}  // namespace
}  // namespace moecal::bench
