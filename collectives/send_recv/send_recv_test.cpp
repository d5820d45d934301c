// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/send_recv/send_recv.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/exchange_pattern.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

constexpr testing::Exchange kExchange{send_recv_buffers, send_recv_fill, send_recv_local,
                                      send_recv_error};

TEST(SendRecvPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::uint8, Dtype::bf16})
    testing::expect_pattern_of_oracle(kExchange, dtype);
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
  auto ranks = exchanged(kExchange, shape);
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
