// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/expert_loads.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::calibration {
namespace {

TEST(ExpertLoads, BalancedRowsAreSpreadOverRanksThenExperts) {
  // 6 rows over 2 ranks of 4 experts: 3 experts of the rank have one row.
  const auto few = busiest_rank_loads({3, 8, 2}, 2, {"balanced"});
  EXPECT_EQ(few.rows, 3);
  EXPECT_EQ(few.active, 3);
  EXPECT_EQ(few.padded_16, 48);
  EXPECT_EQ(few.padded_128, 384);
  // 42 rows over 2 ranks: 21 = 6 + 5 + 5 + 5.
  const auto more = busiest_rank_loads({21, 8, 2}, 2, {"balanced"});
  EXPECT_EQ(more.rows, 21);
  EXPECT_EQ(more.active, 4);
  EXPECT_EQ(more.fullest, 6);
  EXPECT_EQ(busiest_rank_loads({0, 8, 2}, 2, {"balanced"}).rows, 0);
}

TEST(ExpertLoads, OfOneRankAreAllRowsHoweverTheyAreRouted) {
  for (const char* word : {"balanced", "power_law_loads"})
    EXPECT_NEAR(busiest_rank_loads({64, 16, 4}, 1, {word}).rows, 256, 1e-9) << word;
  EXPECT_NEAR(busiest_rank_loads({4096, 16, 4}, 1, {"uniform"}).rows, 4 * 4096, 200);
}

/// The same from token-by-token draws.
RankLoads drawn(const RoutingShape& shape, std::int64_t ranks, RoutingSpec routing) {
  constexpr int kDraws = 60;
  RankLoads mean;
  for (int draw = 1; draw <= kDraws; ++draw) {
    routing.seed = static_cast<std::uint64_t>(draw);
    auto counts = draw_routing(shape, routing).counts;
    if (const auto capacity = expert_capacity(shape, routing.capacity_factor); capacity > 0)
      for (auto& count : counts) count = std::min(count, capacity);
    const auto local = shape.experts / ranks;
    double most = 0, active = 0;
    for (std::int64_t first = 0; first < shape.experts; first += local) {
      const auto begin = counts.begin() + first, end = begin + local;
      const auto rows = static_cast<double>(std::accumulate(begin, end, std::int64_t{0}));
      if (rows <= most) continue;
      most = rows;
      active = static_cast<double>(std::count_if(begin, end, [](auto c) { return c > 0; }));
    }
    mean.rows += most / kDraws;
    mean.active += active / kDraws;
  }
  return mean;
}

TEST(ExpertLoads, AgreeWithDrawsTokenByToken) {
  for (const RoutingSpec& routing : {RoutingSpec{"uniform"}, RoutingSpec{"power_law", 1, 0.8}})
    for (const RoutingShape& shape : {RoutingShape{16, 32, 2}, RoutingShape{512, 32, 2}}) {
      const auto expected = drawn(shape, 4, routing), got = busiest_rank_loads(shape, 4, routing);
      EXPECT_NEAR(got.rows / expected.rows, 1, 0.15) << routing.distribution << shape.tokens;
      EXPECT_NEAR(got.active / expected.active, 1, 0.15) << routing.distribution << shape.tokens;
    }
}

TEST(ExpertLoads, OfRecordedLoadsAgreeWithDrawsTokenByToken) {
  RoutingSpec routing{.distribution = "recorded"};
  for (int e = 0; e < 32; ++e) routing.loads.push_back(e < 4 ? 0 : e == 9 ? 40 : 1 + e % 5);
  for (const RoutingShape& shape : {RoutingShape{128, 32, 2}, RoutingShape{512, 32, 2}}) {
    const auto expected = drawn(shape, 4, routing), got = busiest_rank_loads(shape, 4, routing);
    EXPECT_NEAR(got.rows / expected.rows, 1, 0.1) << shape.tokens;
    EXPECT_NEAR(got.active / expected.active, 1, 0.15) << shape.tokens;
  }
  EXPECT_LE(busiest_rank_loads({512, 32, 2}, 1, routing).active, 28) << "four have no load";
}

TEST(ExpertLoads, ACapacityDropsRowsOfEveryDistribution) {
  const RoutingShape shape{512, 32, 2};
  RoutingSpec recorded{.distribution = "recorded", .loads = std::vector<double>(32, 1)};
  recorded.loads[3] = 30;
  for (auto routing : {recorded, RoutingSpec{"power_law", 1, 1.2}}) {
    const auto unlimited = busiest_rank_loads(shape, 4, routing);
    routing.capacity_factor = 1.5;
    const auto limited = busiest_rank_loads(shape, 4, routing);
    EXPECT_LT(limited.rows, 0.8 * unlimited.rows) << routing.distribution;
    EXPECT_EQ(limited.fullest, 48) << "1.5 times the mean of 32 rows";
    EXPECT_NEAR(limited.rows / drawn(shape, 4, routing).rows, 1, 0.1) << routing.distribution;
  }
  EXPECT_EQ(busiest_rank_loads(shape, 4, {"balanced", 1, 0, 0.5}).rows, 8 * 16);
  EXPECT_EQ(busiest_rank_loads(shape, 4, {"balanced", 1, 0, 1.0}).rows, 8 * 32);
}

/// Standard deviation of the log skew of token-by-token draws without a capacity.
double drawn_skew_spread(const RoutingShape& shape, int ranks, RoutingSpec routing) {
  constexpr int kDraws = 200;
  double sum = 0, squares = 0;
  for (int draw = 1; draw <= kDraws; ++draw) {
    routing.seed = static_cast<std::uint64_t>(draw);
    const auto counts = draw_routing(shape, routing).counts;
    std::int64_t most = 0;
    for (auto first = counts.begin(); first != counts.end(); first += shape.experts / ranks)
      most = std::max(most, std::accumulate(first, first + shape.experts / ranks, std::int64_t{0}));
    const double log_most = std::log(static_cast<double>(most));
    sum += log_most / kDraws;
    squares += log_most * log_most / kDraws;
  }
  return std::sqrt(squares - sum * sum);
}

TEST(ExpertLoads, SayHowFarDrawsLieApart) {
  const RoutingShape shape{512, 32, 2};
  for (const RoutingSpec& routing : {RoutingSpec{"uniform"}, RoutingSpec{"power_law", 1, 0.8}}) {
    const auto loads = busiest_rank_loads(shape, 4, routing);
    const double truth = drawn_skew_spread(shape, 4, routing);
    EXPECT_GT(loads.skew_spread, truth / 2) << routing.distribution;
    EXPECT_LT(loads.skew_spread, truth * 2) << routing.distribution;
    EXPECT_EQ(loads.mean_spread, 0) << "no row is dropped";
  }
  EXPECT_GT(busiest_rank_loads(shape, 4, {"power_law", 1, 0.8, 1.5}).mean_spread, 0);
  EXPECT_EQ(busiest_rank_loads(shape, 4, {"balanced"}).skew_spread, 0);
}

TEST(ExpertLoads, PowerLawLoadsAreSkewedAndNoExpertHasMoreRowsThanTokens) {
  const RoutingShape shape{1024, 8, 2};
  const auto even = busiest_rank_loads(shape, 8, {"balanced"});
  const auto skewed = busiest_rank_loads(shape, 8, {"power_law_loads", 1, 1.2});
  EXPECT_GT(skewed.rows, 2 * even.rows);
  EXPECT_LE(skewed.fullest, 1024);
  const auto again = busiest_rank_loads(shape, 8, {"power_law_loads", 9, 1.2});
  EXPECT_EQ(skewed.rows, again.rows) << "an expectation has no seed";
}

TEST(ExpertLoads, RefuseWhatCannotBe) {
  // Draws over so many would take minutes.
  EXPECT_THROW((void)busiest_rank_loads({4, 100'000'000, 2}, 1, {"uniform"}), InvalidInput);
  EXPECT_THROW((void)busiest_rank_loads({4, 100'000'000, 2}, 1, {"balanced"}), InvalidInput);
  EXPECT_THROW((void)busiest_rank_loads({8, 6, 2}, 4, {"balanced"}), InvalidInput);
  EXPECT_THAT(thrown_message([] {
                (void)busiest_rank_loads({8, 6, 7}, 2, {"balanced"});
              }),
              testing::HasSubstr("not tokens 8, experts 6, top_k 7"));
  EXPECT_THROW((void)busiest_rank_loads({8, 6, 2}, 2, {"zipf"}), InvalidInput);
}

TEST(KnownLoads, AnswersAsTheFunctionAndTellsQuestionsApart) {
  KnownLoads known;
  const RoutingShape shape{96, 16, 2};
  for (int again = 0; again < 2; ++again)
    for (const auto& routing : {RoutingSpec{"balanced"}, RoutingSpec{"power_law_loads", 1, 1.2},
                                RoutingSpec{"power_law_loads", 1, 1.01}})
      for (const std::int64_t ranks : {1, 4}) {
        const auto loads = busiest_rank_loads(shape, ranks, routing);
        EXPECT_EQ(known.of(shape, ranks, routing).rows, loads.rows);
        EXPECT_EQ(known.of(shape, ranks, routing).padded_128, loads.padded_128);
        EXPECT_EQ(known.of(shape, ranks, routing).fullest, loads.fullest);
      }
}

}  // namespace
}  // namespace moecal::calibration
