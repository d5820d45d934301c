// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all_v/all_to_all_v.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <numeric>

#include "core/error.hpp"
#include "tests/local_ranks.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

CollectiveShape shape_of(const RoutedExchange& exchange) {
  return {.dtype = Dtype::uint8,
          .group = static_cast<int>(exchange.sends.size()),
          .exchange = &exchange};
}

TEST(AllToAllVLocal, SendsEachRankItsBlockAndOrdersThemBySource) {
  const RoutedExchange exchange{.sends = {{{1, 0}, {2, 1}}, {{3, 0}, {0, 3}}},
                                .receives = {{{1, 0}, {3, 1}}, {{2, 0}, {0, 2}}}};
  const CollectiveShape shape = shape_of(exchange);
  testing::LocalRanks ranks{2, all_to_all_v_buffers(shape)};
  ranks.send = {bytes({1, 2, 3}), bytes({4, 5, 6})};
  all_to_all_v_local(shape, ranks.tensors());
  EXPECT_EQ(ranks.receive[0], bytes({1, 4, 5, 6}));
  EXPECT_EQ(ranks.receive[1], bytes({2, 3, 0xff, 0xff})) << "what nobody sends stays as it was";
}

// Four tokens with two of four experts each, in turn: rank 0 has tokens 0 and 1, rank 1 the others.
TEST(Exchange, OfABalancedDrawIsEven) {
  const auto exchange = draw_exchange({2, 4, 2}, {.distribution = "balanced"}, 2, 10);
  for (const auto* of_ranks : {&exchange.sends, &exchange.receives})
    for (const auto& blocks : *of_ranks) {
      EXPECT_EQ(blocks[0].bytes, 20);
      EXPECT_EQ(blocks[1].bytes, 20);
      EXPECT_EQ(blocks[1].at, 20);
    }
}

/// Rows of a draw that go to the experts of `rank`, one of `group`.
std::int64_t rows_for(const RoutingDraw& draw, int rank, int group) {
  const auto share = draw.experts / group;
  return draw.offsets[(rank + 1) * share] - draw.offsets[rank * share];
}

TEST(Exchange, CountsWhatPermuteCountsInTheSameDraw) {
  constexpr int kGroup = 4;
  constexpr std::int64_t kRow = 3;
  const RoutingShape one{33, 16, 2}, all{kGroup * 33, 16, 2};
  for (const auto* distribution : {"balanced", "uniform", "power_law", "recorded"}) {
    SCOPED_TRACE(distribution);
    RoutingSpec spec{.distribution = distribution, .seed = 7};
    if (spec.distribution == "recorded")
      spec.loads = {9, 1, 1, 1, 5, 0, 0, 2, 3, 3, 3, 3, 1, 1, 0, 7};
    const auto exchange = draw_exchange(one, spec, kGroup, kRow);
    const RoutingDraw first = draw_routing(one, spec), whole = draw_routing(all, spec);
    for (int target = 0; target < kGroup; ++target) {
      const auto& sent = exchange.sends[0][target];
      EXPECT_EQ(sent.bytes, kRow * rows_for(first, target, kGroup));
      EXPECT_EQ(sent.at, kRow * first.offsets[target * 4]) << "permute's rows are the send buffer";
      std::int64_t received = 0;
      for (int source = 0; source < kGroup; ++source) {
        EXPECT_EQ(exchange.sends[source][target].bytes, exchange.receives[target][source].bytes);
        received += exchange.receives[target][source].bytes;
      }
      EXPECT_EQ(received, kRow * rows_for(whole, target, kGroup));
    }
  }
}

TEST(Exchange, LeavesRowsBeyondTheCapacityBehind) {
  const RoutingSpec spec{.distribution = "power_law", .capacity_factor = 1.0};
  const auto exchange = draw_exchange({64, 8, 2}, spec, 4, 1);
  std::int64_t sent = 0;
  for (const auto& blocks : exchange.sends)
    for (const auto& block : blocks) sent += block.bytes;
  const RoutingShape whole{256, 8, 2};
  const auto rows = place_rows(draw_routing(whole, spec), expert_capacity(whole, 1.0));
  EXPECT_EQ(sent, std::ranges::count_if(rows, [](auto row) { return row >= 0; }));
  EXPECT_LT(sent, 512);
}

TEST(Exchange, SaysWhatEachRankHas) {
  const RoutedExchange exchange{.sends = {{{1, 0}, {2, 1}}, {{3, 0}, {0, 3}}},
                                .receives = {{{1, 0}, {3, 1}}, {{2, 0}, {0, 2}}}};
  EXPECT_EQ(exchanged_bytes(exchange), (ExchangedBytes{{3, 3}, {4, 2}}));
}

TEST(Exchange, RefusesUnequalSharesOfExperts) {
  EXPECT_THROW(static_cast<void>(draw_exchange({8, 8, 2}, {}, 3, 1)), Unsupported);
}

TEST(AllToAllVPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const auto* distribution : {"balanced", "uniform", "power_law"})
    for (const int group : {1, 2, 4, 64})
      for (const std::int64_t tokens : {0, 1, 31, 257}) {
        const auto exchange = draw_exchange({tokens, 64, 2}, {distribution}, group, 34);
        const CollectiveShape shape = shape_of(exchange);
        testing::LocalRanks ranks{group, all_to_all_v_buffers(shape)};
        for (int rank = 0; rank < group; ++rank) all_to_all_v_fill(shape, rank, ranks.send[rank]);
        all_to_all_v_local(shape, ranks.tensors());
        for (int rank = 0; rank < group; ++rank)
          EXPECT_EQ(all_to_all_v_error(shape, rank, ranks.receive[rank]), 0);
      }
}

TEST(AllToAllVPattern, NoticesAnothersRowsAndOneWrongByte) {
  const auto exchange = draw_exchange({64, 8, 2}, {.distribution = "balanced"}, 4, 16);
  const CollectiveShape shape = shape_of(exchange);
  testing::LocalRanks ranks{4, all_to_all_v_buffers(shape)};
  for (int rank = 0; rank < 4; ++rank) all_to_all_v_fill(shape, rank, ranks.send[rank]);
  all_to_all_v_local(shape, ranks.tensors());
  EXPECT_EQ(all_to_all_v_error(shape, 1, ranks.receive[0]), 1);
  ranks.receive[2].back() ^= std::byte{1};
  EXPECT_EQ(all_to_all_v_error(shape, 2, ranks.receive[2]), 1);
}

TEST(AllToAllVWork, IsThatOfAnEvenExchange) {
  const Work work = all_to_all_v_work({.bytes = 1 << 20, .dtype = Dtype::bf16, .group = 4});
  EXPECT_EQ(work.sent, Bytes{0.75 * (1 << 20)});
  EXPECT_EQ(work.messages, 3);
}

}  // namespace
}  // namespace moecal::collectives
