// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/row_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "core/fill.hpp"
#include "core/routing.hpp"
#include "kernels/own_bench.hpp"
#include "kernels/permute/permute_bench.hpp"
#include "kernels/unpermute/unpermute_bench.hpp"
#include "tests/launch_is_verified.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_memory_stream();

namespace {

using Numbers = std::vector<std::int64_t>;
constexpr auto kHost = Memory::Place::host;

TEST(RowsToCheck, AreAllOfASmallArray) {
  EXPECT_EQ(rows_to_check(3, 1024), (Numbers{0, 1, 2}));
  EXPECT_TRUE(rows_to_check(0, 1024).empty());
  EXPECT_EQ(check_method(rows_to_check(8192, 1024), 8192), "full");
}

TEST(RowsToCheck, AreSpreadOverALargeArrayFromItsFirstToItsLast) {
  for (const std::int64_t elements : {1024, 14336}) {
    const auto rows = rows_to_check(163840, elements);
    ASSERT_EQ(rows.size(), elements == 1024 ? 8192U : 5120U);
    EXPECT_EQ(rows.front(), 0);
    EXPECT_EQ(rows.back(), 163839);
    const auto stretch = 163840 / static_cast<std::int64_t>(rows.size());
    EXPECT_LE(stretch, 32);
    for (std::size_t i = 1; i < rows.size(); ++i) {
      EXPECT_GT(rows[i], rows[i - 1]);
      EXPECT_LT(rows[i], rows[i - 1] + 2 * stretch) << "a wrong tile is seen";
    }
    EXPECT_EQ(check_method(rows, 163840), std::to_string(rows.size()) + " of 163840 rows");
  }
}

TEST(RowsToCheck, AreTakenOutOfWhatTheyAreOf) {
  const PeriodicBytes array{
      std::vector<std::byte>{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}}};
  EXPECT_EQ(rows_of(array, {2, 0}, 2),
            (std::vector<std::byte>{std::byte{5}, std::byte{1}, std::byte{2}}));
  EXPECT_TRUE(rows_of({}, {0}, 2).empty());
  EXPECT_EQ(columns_of({1, 2, 3, 4, 5, 6}, {0, 2}, 3), (std::vector<float>{1, 3, 4, 6}));
}

TEST(RoutedRowsToCheck, AreThoseOfEachTokensChoices) {
  const auto checked = routed_rows_to_check({3, 0, -1, 2, -1, -1, 1, -1}, 2, 16);
  EXPECT_EQ(checked.tokens, (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(checked.rows, (Numbers{3, 0, 2, 1}));
  EXPECT_EQ(checked.row_of, (std::vector<std::int32_t>{0, 1, -1, 2, -1, -1, 3, -1}));
  EXPECT_TRUE(routed_rows_to_check({}, 2, 16).tokens.empty());
}

/// A large routed result: 40000 tokens of 512 elements, of which a capacity drops some choices.
struct Routed {
  static constexpr std::int64_t kTokens = 40000, kHidden = 512, kTopK = 2;
  Routed() {
    const RoutingShape shape{kTokens, 16, kTopK};
    const RoutingSpec spec{.distribution = "power_law", .capacity_factor = 1.2};
    draw = draw_routing(shape, spec);
    row_of = place_rows(draw, expert_capacity(shape, spec.capacity_factor));
    checked = routed_rows_to_check(row_of, kTopK, kHidden);
  }
  /// A token whose rows are not looked at.
  [[nodiscard]] std::int64_t unseen() const {
    std::int64_t token = 0;
    while (std::ranges::binary_search(checked.tokens, token)) ++token;
    return token;
  }
  RoutingDraw draw;
  std::vector<std::int32_t> row_of;
  RoutedRows checked;
};

TEST(RoutedRowsToCheck, HaveBothEndsOfTokensRowsAndDroppedChoices) {
  const Routed routed;
  const auto& [tokens, rows, row_of] = routed.checked;
  EXPECT_LT(tokens.size(), 17000U);
  EXPECT_EQ(tokens.front(), 0);
  EXPECT_EQ(tokens.back(), Routed::kTokens - 1);
  EXPECT_TRUE(std::ranges::is_sorted(tokens));
  EXPECT_EQ(std::ranges::min(rows), 0);
  EXPECT_EQ(std::ranges::max(rows), std::ranges::max(routed.row_of));
  const auto first = std::ranges::find(routed.row_of, -1);
  ASSERT_NE(first, routed.row_of.end()) << "the capacity drops some";
  const auto last = std::find(routed.row_of.rbegin(), routed.row_of.rend(), -1);
  for (const auto place : {first - routed.row_of.begin(), routed.row_of.rend() - last - 1})
    EXPECT_TRUE(std::ranges::binary_search(tokens, place / Routed::kTopK)) << place;
}

/// What permute leaves of it on the host, right or with a byte that is another.
class CheckPermuted : public testing::TestWithParam<bool> {
 protected:
  CheckPermuted() {
    permute_cpu(shape_, {tokens_.whole().data(), routed_.row_of.data(), rows_.as<void>(),
                         scales_.as<float>()});
  }
  [[nodiscard]] VerificationResult check() const {
    return check_permuted(shape_, {tokens_, row_of_, rows_, scales_});
  }
  VerificationResult with_a_wrong_row_of(std::int64_t token) {
    const auto first = static_cast<std::size_t>(token * Routed::kTopK);
    const auto row = std::max(routed_.row_of[first], routed_.row_of[first + 1]);
    EXPECT_GE(row, 0);
    const auto row_bytes = rows_.bytes() / routed_.row_of.size();
    auto& byte = rows_.as<std::byte>()[(static_cast<std::size_t>(row) + 1) * row_bytes - 1];
    byte ^= std::byte{1};
    const auto result = check();
    byte ^= std::byte{1};
    return result;
  }
  /// A token of those looked at that has lost a choice and kept one.
  [[nodiscard]] std::int64_t partly_dropped() const {
    for (std::size_t i = 0; i + 1 < routed_.checked.row_of.size(); i += 2)
      if (std::min(routed_.checked.row_of[i], routed_.checked.row_of[i + 1]) < 0 &&
          std::max(routed_.checked.row_of[i], routed_.checked.row_of[i + 1]) >= 0)
        return routed_.checked.tokens[i / 2];
    return -1;
  }

  const Routed routed_;
  const kernels::PermuteShape shape_{Routed::kTokens, Routed::kHidden, Routed::kTopK, Dtype::bf16,
                                     GetParam()};
  const PeriodicBytes tokens_ = uniform_bytes({Dtype::bf16, 1}, Routed::kTokens* Routed::kHidden);
  const Memory row_of_ = Memory::of(kHost, routed_.row_of);
  Memory rows_{kHost, routed_.row_of.size() * static_cast<std::size_t>(Routed::kHidden) *
                          (GetParam() ? 1 : 2)};
  Memory scales_{kHost, static_cast<std::size_t>(scale_count(shape_)) * sizeof(float)};
};

TEST_P(CheckPermuted, AcceptsWhatTheOracleLeaves) {
  const auto result = check();
  EXPECT_EQ(result.max_rel_error, 0);
  EXPECT_EQ(result.method, std::to_string(routed_.checked.tokens.size()) + " of 40000 rows");
}

TEST_P(CheckPermuted, CatchesOneWrongByteInTheRowsItLooksAt) {
  const auto dropped = partly_dropped();
  ASSERT_GE(dropped, 0);
  const auto& tokens = routed_.checked.tokens;
  for (const auto token : {tokens.front(), tokens[tokens.size() / 2], tokens.back(), dropped})
    EXPECT_EQ(with_a_wrong_row_of(token).max_rel_error, 1) << "token " << token;
  EXPECT_EQ(with_a_wrong_row_of(routed_.unseen()).max_rel_error, 0) << "not looked at";
}

TEST_P(CheckPermuted, CatchesAWrongScale) {
  if (!GetParam()) GTEST_SKIP() << "there are none";
  const auto last = scales_.bytes() / sizeof(float) - routed_.row_of.size();
  scales_.as<float>()[last + static_cast<std::size_t>(routed_.checked.rows.front())] *= 2;
  EXPECT_EQ(check().max_rel_error, 1);
}
INSTANTIATE_TEST_SUITE_P(Rows, CheckPermuted, testing::Bool(),
                         [](const auto& cast) { return cast.param ? "cast" : "moved"; });

TEST(CheckUnpermuted, CatchesOneWrongElementInTheTokensItLooksAt) {
  const Routed routed;
  const kernels::UnpermuteShape shape{Routed::kTokens, Routed::kHidden, Routed::kTopK, Dtype::f16};
  const auto rows = uniform_bytes({Dtype::f16, 1}, Routed::kTokens * Routed::kTopK * shape.hidden);
  const auto row_of = Memory::of(kHost, routed.row_of);
  const auto weight_of = Memory::of(kHost, routed.draw.weight_of);
  Memory tokens{kHost, static_cast<std::size_t>(shape.tokens * shape.hidden) * 2};
  unpermute_cpu(shape, {rows.whole().data(), row_of.as<std::int32_t>(), weight_of.as<float>(),
                        tokens.as<void>()});
  const auto check = [&] { return check_unpermuted(shape, {rows, row_of, weight_of, tokens}); };
  EXPECT_EQ(check().max_rel_error, 0);
  EXPECT_EQ(check().method, std::to_string(routed.checked.tokens.size()) + " of 40000 rows");
  const auto with_a_wrong = [&](std::int64_t token) {
    auto& sign = tokens.as<std::byte>()[(token * shape.hidden + 511) * 2 + 1];
    const auto before = sign;
    sign = std::byte{0x3c};  // about 1
    const auto result = check();
    sign = before;
    return result.max_rel_error > result.tolerance;
  };
  const auto& looked_at = routed.checked.tokens;
  for (const auto token : {looked_at.front(), looked_at[looked_at.size() / 2], looked_at.back()})
    EXPECT_TRUE(with_a_wrong(token)) << "token " << token;
  EXPECT_FALSE(with_a_wrong(routed.unseen())) << "not looked at";
}

TEST(MemoryStreamTrial, IsVerifiedByItsBlocks) {
  const auto world = make_single_rank_plane();
  Context context{*world};
  for (const auto& [reads, writes] : {std::pair{1, 0}, std::pair{0, 1}, std::pair{2, 1}})
    for (const std::int64_t bytes : {16, 16400, 96'000'016}) {
      SCOPED_TRACE(std::to_string(reads) + " read, " + std::to_string(bytes) + " bytes");
      Case of;
      of.point = {{"bytes", bytes}, {"reads", reads}, {"writes", writes}};
      of.dtypes.a = of.dtypes.c = "f32";
      const auto trial = make_memory_stream()->make_trial(kOracleLoop, of, context);
      const auto after = tests::expect_launch_is_verified(*trial, 1);
      EXPECT_EQ(after.method == "full", bytes < 96'000'016) << after.method;
    }
}

}  // namespace
}  // namespace moecal::bench
