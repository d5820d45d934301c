// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/broadcast/broadcast.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/exchange_pattern.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

constexpr testing::Exchange kExchange{broadcast_buffers, broadcast_fill, broadcast_local,
                                      broadcast_error};

TEST(BroadcastPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::uint8, Dtype::bf16})
    testing::expect_pattern_of_oracle(kExchange, dtype);
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
  auto ranks = exchanged(kExchange, shape);
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
