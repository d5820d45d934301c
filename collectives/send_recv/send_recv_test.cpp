// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/send_recv/send_recv.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "core/error.hpp"
#include "tests/local_ranks.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

/// All ranks of a group, filled and exchanged by the oracle.
testing::LocalRanks exchanged(const CollectiveShape& shape) {
  testing::LocalRanks ranks{shape.group, send_recv_buffers(shape)};
  for (int rank = 0; rank < shape.group; ++rank) send_recv_fill(shape, rank, ranks.send[rank]);
  send_recv_local(shape, ranks.tensors());
  return ranks;
}

TEST(SendRecvPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::uint8, Dtype::bf16})
    for (const int group : {1, 2, 3, 4, 64})
      for (const std::int64_t elements : {0, 1, 31, 33, 512, group > 4 ? 1 : 70'001}) {
        const CollectiveShape shape{elements * size_of(dtype) * group, dtype, group};
        const auto ranks = exchanged(shape);
        for (int rank = 0; rank < group; ++rank)
          EXPECT_EQ(send_recv_error(shape, rank, ranks.receive[rank]), 0)
              << elements << " x " << group;
      }
}

TEST(SendRecvLocal, PassesMessagesRoundTheRing) {
  const CollectiveShape shape{.bytes = 2, .dtype = Dtype::uint8, .group = 3};
  testing::LocalRanks ranks{shape};
  ranks.send = {bytes({1, 2}), bytes({3, 4}), bytes({5, 6})};
  send_recv_local(shape, ranks.tensors());
  EXPECT_EQ(ranks.receive[0], bytes({5, 6}));
  EXPECT_EQ(ranks.receive[1], bytes({1, 2}));
  EXPECT_EQ(ranks.receive[2], bytes({3, 4}));
}

TEST(SendRecvPattern, NoticesTheWrongNeighbourAndOneWrongByte) {
  const CollectiveShape shape{.bytes = 256, .dtype = Dtype::f32, .group = 4};
  auto ranks = exchanged(shape);
  EXPECT_EQ(send_recv_error(shape, 2, ranks.receive[3]), 1);
  ranks.receive[3].back() ^= std::byte{1};
  EXPECT_EQ(send_recv_error(shape, 3, ranks.receive[3]), 1);
}

TEST(SendRecv, RefusesBytesThatAreNotWholeElements) {
  EXPECT_THROW(static_cast<void>(send_recv_buffers({3, Dtype::bf16, 4})), Unsupported);
  EXPECT_EQ(send_recv_buffers({6, Dtype::bf16, 4}).send, 6);
}

TEST(SendRecvWork, IsOneMessage) {
  const Work work = send_recv_work({.bytes = 1 << 20, .dtype = Dtype::bf16, .group = 4});
  EXPECT_EQ(work.sent, Bytes{1 << 20});
  EXPECT_EQ(work.messages, 1);
}

}  // namespace
}  // namespace moecal::collectives
