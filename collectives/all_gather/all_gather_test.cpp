// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_gather/all_gather.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/exchange_pattern.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

constexpr testing::Exchange kExchange{all_gather_buffers, all_gather_fill, all_gather_local,
                                      all_gather_error};

TEST(AllGatherPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::uint8, Dtype::bf16})
    testing::expect_pattern_of_oracle(kExchange, dtype);
}

TEST(AllGatherLocal, PutsBlocksInTheOrderOfRanks) {
  const CollectiveShape shape{.bytes = 6, .dtype = Dtype::uint8, .group = 3};
  testing::LocalRanks ranks{3, all_gather_buffers(shape)};
  ranks.send = {bytes({1, 2}), bytes({3, 4}), bytes({5, 6})};
  all_gather_local(shape, ranks.tensors());
  for (const auto& received : ranks.receive) EXPECT_EQ(received, bytes({1, 2, 3, 4, 5, 6}));
}

TEST(AllGatherPattern, NoticesSwappedBlocksAndOneWrongByte) {
  const CollectiveShape shape{.bytes = 4 * 64, .dtype = Dtype::f32, .group = 4};
  auto received = exchanged(kExchange, shape).receive[1];
  std::swap_ranges(received.begin(), received.begin() + 64, received.begin() + 128);
  EXPECT_EQ(all_gather_error(shape, 1, received), 1);
  received = exchanged(kExchange, shape).receive[1];
  received.back() ^= std::byte{1};
  EXPECT_EQ(all_gather_error(shape, 1, received), 1);
}

TEST(AllGather, RefusesBytesThatAreNotWholeBlocks) {
  EXPECT_THROW(static_cast<void>(all_gather_buffers({10, Dtype::uint8, 4})), Unsupported);
  EXPECT_THROW(static_cast<void>(all_gather_buffers({12, Dtype::bf16, 4})), Unsupported);
  EXPECT_EQ(all_gather_buffers({16, Dtype::bf16, 4}).send, 4);
  EXPECT_EQ(all_gather_buffers({16, Dtype::bf16, 4}).receive, 16);
}

TEST(AllGatherWork, IsThatOfARing) {
  const Work work = all_gather_work({.bytes = 1 << 20, .dtype = Dtype::bf16, .group = 4});
  EXPECT_EQ(work.sent, Bytes{0.75 * (1 << 20)});
  EXPECT_EQ(work.read, Bytes{0.25 * (1 << 20)});
  EXPECT_EQ(work.messages, 3);
}

}  // namespace
}  // namespace moecal::collectives
