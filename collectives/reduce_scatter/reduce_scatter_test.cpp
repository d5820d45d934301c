// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/reduce_scatter/reduce_scatter.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "core/error.hpp"
#include "tests/local_ranks.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

/// All ranks of a group, filled and exchanged by the oracle.
testing::LocalRanks exchanged(const CollectiveShape& shape) {
  testing::LocalRanks ranks{shape.group, reduce_scatter_buffers(shape)};
  for (int rank = 0; rank < shape.group; ++rank) reduce_scatter_fill(shape, rank, ranks.send[rank]);
  reduce_scatter_local(shape, ranks.tensors());
  return ranks;
}

TEST(ReduceScatterPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::fp8_e4m3})
    for (const int group : {1, 2, 3, 4, dtype == Dtype::fp8_e4m3 ? 16 : 64})
      for (const std::int64_t elements : {0, 1, 31, 33, 512, group > 4 ? 1 : 70'001}) {
        const CollectiveShape shape{elements * size_of(dtype) * group, dtype, group};
        const auto ranks = exchanged(shape);
        for (int rank = 0; rank < group; ++rank)
          EXPECT_EQ(reduce_scatter_error(shape, rank, ranks.receive[rank]), 0)
              << elements << " x " << group;
      }
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
  auto ranks = exchanged(shape);
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
