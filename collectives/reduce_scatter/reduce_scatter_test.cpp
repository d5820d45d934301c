// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/reduce_scatter/reduce_scatter.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "core/error.hpp"
#include "tests/exchange_pattern.hpp"

namespace moecal::collectives {
namespace {

constexpr testing::Exchange kExchange{reduce_scatter_buffers, reduce_scatter_fill,
                                      reduce_scatter_local, reduce_scatter_error};

TEST(ReduceScatterPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
    testing::expect_pattern_of_oracle(kExchange, dtype);
  testing::expect_pattern_of_oracle(kExchange, Dtype::fp8_e4m3, 16);
}

TEST(ReduceScatterLocal, GivesEachRankItsBlockOfTheSum) {
  const CollectiveShape shape{.bytes = 16, .dtype = Dtype::f32, .group = 2};
  const std::vector<std::vector<float>> sent{{1, 2, 3, 4}, {10, 20, 30, 0.5F}};
  testing::LocalRanks ranks{2, reduce_scatter_buffers(shape)};
  for (int rank = 0; rank < 2; ++rank) std::memcpy(ranks.send[rank].data(), sent[rank].data(), 16);
  reduce_scatter_local(shape, ranks.tensors());
  std::vector<float> received(4);
  for (int rank = 0; rank < 2; ++rank)
    std::memcpy(&received[2 * rank], ranks.receive[rank].data(), 8);
  EXPECT_EQ(received, (std::vector<float>{11, 22, 33, 4.5F}));
}

TEST(ReduceScatterPattern, NoticesAnothersBlockAndOneWrongElement) {
  const CollectiveShape shape{.bytes = 4 * 33 * 4, .dtype = Dtype::f32, .group = 4};
  auto ranks = exchanged(kExchange, shape);
  EXPECT_GT(reduce_scatter_error(shape, 1, ranks.receive[0]), 0);
  ranks.receive[2][32 * 4 + 3] ^= std::byte{1};
  EXPECT_GT(reduce_scatter_error(shape, 2, ranks.receive[2]), 0);
}

TEST(ReduceScatter, RefusesWhatIsNoBlocksOrNotExact) {
  EXPECT_THROW(static_cast<void>(reduce_scatter_buffers({12, Dtype::f32, 2})), Unsupported);
  EXPECT_THROW(static_cast<void>(reduce_scatter_buffers({2048, Dtype::bf16, 512})), Unsupported);
  EXPECT_EQ(reduce_scatter_buffers({16, Dtype::f32, 2}).send, 16);
  EXPECT_EQ(reduce_scatter_buffers({16, Dtype::f32, 2}).receive, 8);
}

TEST(ReduceScatterWork, IsThatOfARing) {
  const Work work = reduce_scatter_work({.bytes = 1 << 20, .dtype = Dtype::bf16, .group = 4});
  EXPECT_EQ(work.sent, Bytes{0.75 * (1 << 20)});
  EXPECT_EQ(work.written, Bytes{0.25 * (1 << 20)});
  EXPECT_EQ(work.flops, Flops{0.75 * (1 << 19)});
  EXPECT_EQ(work.messages, 3);
}

}  // namespace
}  // namespace moecal::collectives
