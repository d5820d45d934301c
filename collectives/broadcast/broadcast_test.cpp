// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/broadcast/broadcast.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "core/error.hpp"
#include "tests/local_ranks.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

/// All ranks of a group, filled and exchanged by the oracle.
testing::LocalRanks exchanged(const CollectiveShape& shape) {
  testing::LocalRanks ranks{shape.group, broadcast_buffers(shape)};
  for (int rank = 0; rank < shape.group; ++rank) broadcast_fill(shape, rank, ranks.send[rank]);
  broadcast_local(shape, ranks.tensors());
  return ranks;
}

TEST(BroadcastPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::uint8, Dtype::bf16})
    for (const int group : {1, 2, 3, 4, 64})
      for (const std::int64_t elements : {0, 1, 31, 33, 512, group > 4 ? 1 : 70'001}) {
        const CollectiveShape shape{elements * size_of(dtype) * group, dtype, group};
        const auto ranks = exchanged(shape);
        for (int rank = 0; rank < group; ++rank)
          EXPECT_EQ(broadcast_error(shape, rank, ranks.receive[rank]), 0)
              << elements << " x " << group;
      }
}

TEST(BroadcastLocal, CopiesTheRoots) {
  const CollectiveShape shape{.bytes = 2, .dtype = Dtype::uint8, .group = 3};
  testing::LocalRanks ranks{shape};
  ranks.send = {bytes({1, 2}), bytes({3, 4}), bytes({5, 6})};
  broadcast_local(shape, ranks.tensors());
  for (const auto& received : ranks.receive) EXPECT_EQ(received, bytes({1, 2}));
}

TEST(BroadcastPattern, NoticesAnotherRootAndOneWrongByte) {
  const CollectiveShape shape{.bytes = 256, .dtype = Dtype::f32, .group = 4};
  auto ranks = exchanged(shape);
  EXPECT_EQ(broadcast_error(shape, 2, ranks.send[2]), 1);
  ranks.receive[3].back() ^= std::byte{1};
  EXPECT_EQ(broadcast_error(shape, 3, ranks.receive[3]), 1);
}

TEST(Broadcast, RefusesBytesThatAreNotWholeElements) {
  EXPECT_THROW(static_cast<void>(broadcast_buffers({3, Dtype::bf16, 4})), Unsupported);
  EXPECT_EQ(broadcast_buffers({6, Dtype::bf16, 4}).receive, 6);
}

TEST(BroadcastWork, IsTheBufferOnce) {
  const Work work = broadcast_work({.bytes = 1 << 20, .dtype = Dtype::bf16, .group = 4});
  EXPECT_EQ(work.sent, Bytes{1 << 20});
  EXPECT_EQ(work.messages, 1);
}

}  // namespace
}  // namespace moecal::collectives
