// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/dispatch_combine/dispatch_combine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/element.hpp"
#include "core/error.hpp"
#include "kernels/permute/permute.hpp"
#include "kernels/unpermute/unpermute.hpp"
#include "layers/dispatch_combine/testing/group_memory.hpp"

namespace moecal::layers {
namespace {

using testing::GroupMemory;

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(float))
    values.push_back(static_cast<float>(decode_element(Dtype::f32, &bytes[i])));
  return values;
}

// Two ranks with an expert each and one token each, one choice: token 0 goes to expert 0 and stays,
// token 1 goes to expert 1 and stays too (balanced: in turn).
TEST(DispatchCombineLocal, OfOneChoiceGivesTokensBack) {
  const DispatchCombineShape shape{
      .tokens = 1, .hidden = 3, .experts = 2, .top_k = 1, .group = 2, .dtype = Dtype::f32};
  const auto plan = plan_dispatch_combine(shape, {.distribution = "balanced"});
  GroupMemory group{plan};
  dispatch_combine_local(plan, group.tensors());
  for (int rank = 0; rank < 2; ++rank) EXPECT_EQ(group.combined[rank], group.tokens[rank]);
}

// Written by hand: rank 0's token has a choice at each rank, rank 1's both at rank 0, of which the
// second is dropped. Rows arrive ordered by source.
TEST(DispatchCombineLocal, SumsWhatCameBackByItsWeights) {
  const DispatchCombineShape shape{
      .tokens = 1, .hidden = 1, .experts = 4, .top_k = 2, .group = 2, .dtype = Dtype::f32};
  using Blocks = std::vector<std::vector<collectives::RoutedExchange::Block>>;
  const Blocks sends{{{4, 0}, {4, 4}}, {{4, 0}, {0, 4}}};
  const Blocks receives{{{4, 0}, {4, 4}}, {{4, 0}, {0, 4}}};
  const DispatchCombinePlan plan{shape,
                                 {sends, receives},
                                 {receives, sends},
                                 {{{0, 1}, {0.25F, 0.75F}}, {{0, -1}, {0.5F, 0.5F}}}};
  GroupMemory group{plan};
  group.set_tokens(0, {8.0F});
  group.set_tokens(1, {6.0F});
  dispatch_combine_local(plan, group.tensors());
  EXPECT_EQ(floats(group.received[0]), (std::vector{8.0F, 6.0F}));
  EXPECT_EQ(floats(group.received[1]).front(), 8.0F);
  EXPECT_EQ(floats(group.combined[0]), std::vector{8.0F});
  EXPECT_EQ(floats(group.combined[1]), std::vector{3.0F}) << "half of the weight was dropped";
}

TEST(DispatchCombineLocal, EqualsTheWeightedTokens) {
  for (const auto* distribution : {"balanced", "uniform", "power_law"})
    for (const double capacity : {0.0, 1.0})
      for (const int ranks : {1, 2, 8})
        for (const std::int64_t tokens : {0, 1, 31, 129}) {
          SCOPED_TRACE(std::string{distribution} + ", ranks " + std::to_string(ranks) +
                       ", tokens " + std::to_string(tokens));
          const DispatchCombineShape shape{
              .tokens = tokens, .hidden = 17, .experts = 16, .top_k = 3, .group = ranks};
          const auto plan = plan_dispatch_combine(
              shape, {.distribution = distribution, .capacity_factor = capacity});
          GroupMemory group{plan};
          dispatch_combine_local(plan, group.tensors());
          for (int rank = 0; rank < ranks; ++rank) {
            std::vector<std::byte> expected(group.combined[rank].size());
            weighted_tokens(plan, rank, expected);
            EXPECT_EQ(group.combined[rank], expected);
            EXPECT_EQ(received_error(plan, rank, group.received[rank]), 0);
          }
        }
}

TEST(DispatchCombinePlan, OfOneRankIsPermutesDraw) {
  const RoutingShape routing{33, 8, 2};
  const RoutingSpec spec{.distribution = "power_law", .capacity_factor = 1.2};
  const auto plan = plan_dispatch_combine(
      {.tokens = 33, .hidden = 4, .experts = 8, .top_k = 2, .group = 1}, spec);
  const auto draw = draw_routing(routing, spec);
  EXPECT_EQ(plan.ranks[0].row_of, place_rows(draw, expert_capacity(routing, spec.capacity_factor)));
  EXPECT_EQ(plan.ranks[0].weight_of, draw.weight_of);
}

TEST(DispatchCombinePlan, SendsEachRankTheRowsOfItsExperts) {
  const DispatchCombineShape shape{
      .tokens = 50, .hidden = 1, .experts = 8, .top_k = 2, .group = 4, .dtype = Dtype::bf16};
  const RoutingSpec spec{.distribution = "uniform", .seed = 3};
  const auto plan = plan_dispatch_combine(shape, spec);
  const auto draw = draw_routing({200, 8, 2}, spec);
  for (int rank = 0; rank < 4; ++rank)
    for (int choice = 0; choice < 100; ++choice) {
      const int target = draw.expert_of[rank * 100 + choice] / 2;
      const auto& block = plan.dispatch.sends[rank][target];
      const std::int64_t at = plan.ranks[rank].row_of[choice] * shape.row_bytes();
      EXPECT_GE(at, block.at);
      EXPECT_LT(at, block.at + block.bytes);
    }
}

TEST(DispatchCombinePlan, CombineIsDispatchTheOtherWay) {
  const auto plan = plan_dispatch_combine(
      {.tokens = 9, .hidden = 2, .experts = 4, .top_k = 1, .group = 2}, {.seed = 5});
  for (int rank = 0; rank < 2; ++rank)
    for (int peer = 0; peer < 2; ++peer) {
      EXPECT_EQ(plan.combine.sends[rank][peer].bytes, plan.dispatch.sends[peer][rank].bytes);
      EXPECT_EQ(plan.combine.sends[rank][peer].at, plan.dispatch.receives[rank][peer].at);
    }
}

TEST(DispatchCombinePlan, RefusesWhatCannotBe) {
  EXPECT_THROW(static_cast<void>(plan_dispatch_combine(
                   {.tokens = 8, .hidden = 2, .experts = 8, .top_k = 2, .group = 3}, {})),
               Unsupported);
  EXPECT_THROW(static_cast<void>(plan_dispatch_combine({.tokens = 8,
                                                        .hidden = 2,
                                                        .experts = 8,
                                                        .top_k = 2,
                                                        .group = 2,
                                                        .dtype = Dtype::fp8_e4m3},
                                                       {})),
               InvalidInput);
}

TEST(ReceivedError, NoticesAnotherRanksRowsAndOneWrongByte) {
  const auto plan = plan_dispatch_combine(
      {.tokens = 64, .hidden = 8, .experts = 8, .top_k = 2, .group = 4}, {.seed = 2});
  GroupMemory group{plan};
  dispatch_combine_local(plan, group.tensors());
  EXPECT_EQ(received_error(plan, 1, group.received[2]), 1);
  group.received[3][5] ^= std::byte{1};
  EXPECT_EQ(received_error(plan, 3, group.received[3]), 1);
}

TEST(DispatchCombineWork, IsThatOfItsSteps) {
  const DispatchCombineShape shape{
      .tokens = 100, .hidden = 64, .experts = 8, .top_k = 2, .group = 4};
  const Work work = dispatch_combine_work(shape);
  constexpr double kRows = 100.0 * 2 * 64 * 2;  // bytes of all choices
  EXPECT_EQ(work.sent, Bytes{2 * 0.75 * kRows});
  EXPECT_EQ(work.messages, 6);
  EXPECT_EQ(work.flops, Flops{2.0 * 200 * 64});
  const Work sorted = permute_work(kernels::PermuteShape{100, 64, 2});
  const Work added = unpermute_work(kernels::UnpermuteShape{100, 64, 2});
  EXPECT_EQ(work.written, sorted.written + added.written + Bytes{2 * kRows});
}

}  // namespace
}  // namespace moecal::layers
