// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all/all_to_all.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/local_ranks.hpp"

namespace moecal::collectives {
namespace {

using testing::bytes;

TEST(AllToAllLocal, TransposesBlocks) {
  const CollectiveShape shape{.bytes = 4, .dtype = Dtype::uint8, .group = 2};
  testing::LocalRanks ranks{shape};
  ranks.send = {bytes({1, 2, 3, 4}), bytes({5, 6, 7, 8})};
  all_to_all_local(shape, ranks.tensors());
  EXPECT_EQ(ranks.receive[0], bytes({1, 2, 5, 6}));
  EXPECT_EQ(ranks.receive[1], bytes({3, 4, 7, 8}));
}

TEST(AllToAllPattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const int group : {1, 2, 4, 64, 128})
    for (const std::int64_t elements : {0, 1, 31, 33, 512, group > 4 ? 1 : 70'001}) {
      const CollectiveShape shape{elements * 2 * group, Dtype::bf16, group};
      testing::LocalRanks ranks{shape};
      for (int rank = 0; rank < group; ++rank) all_to_all_fill(shape, rank, ranks.send[rank]);
      all_to_all_local(shape, ranks.tensors());
      for (int rank = 0; rank < group; ++rank)
        EXPECT_EQ(all_to_all_error(shape, rank, ranks.receive[rank]), 0);
    }
}

TEST(AllToAllPattern, NoticesSwappedBlocksAndOneWrongByte) {
  const CollectiveShape shape{.bytes = 4 * 64, .dtype = Dtype::f32, .group = 4};
  testing::LocalRanks ranks{shape};
  for (int rank = 0; rank < 4; ++rank) all_to_all_fill(shape, rank, ranks.send[rank]);
  all_to_all_local(shape, ranks.tensors());
  EXPECT_EQ(all_to_all_error(shape, 1, ranks.receive[0]), 1);
  std::swap_ranges(ranks.receive[0].begin(), ranks.receive[0].begin() + 64,
                   ranks.receive[0].begin() + 128);
  EXPECT_EQ(all_to_all_error(shape, 0, ranks.receive[0]), 1);
  ranks.receive[2].back() ^= std::byte{1};
  EXPECT_EQ(all_to_all_error(shape, 2, ranks.receive[2]), 1);
}

TEST(AllToAllPattern, NoticesPiecesOfABlockThatAreSwapped) {
  constexpr std::int64_t kPiece = 1 << 16;
  const CollectiveShape shape{.bytes = 4 * kPiece, .dtype = Dtype::uint8, .group = 1};
  testing::LocalRanks ranks{shape};
  all_to_all_fill(shape, 0, ranks.receive[0]);
  EXPECT_EQ(all_to_all_error(shape, 0, ranks.receive[0]), 0);
  const auto first = ranks.receive[0].begin();
  std::swap_ranges(first, first + kPiece, first + 2 * kPiece);
  EXPECT_EQ(all_to_all_error(shape, 0, ranks.receive[0]), 1);
}

TEST(AllToAll, RefusesBytesThatAreNotWholeBlocks) {
  EXPECT_THROW(
      static_cast<void>(all_to_all_block_bytes({.bytes = 10, .dtype = Dtype::uint8, .group = 4})),
      Unsupported);
  EXPECT_THROW(
      static_cast<void>(all_to_all_block_bytes({.bytes = 12, .dtype = Dtype::bf16, .group = 4})),
      Unsupported);
  EXPECT_EQ(all_to_all_block_bytes({.bytes = 16, .dtype = Dtype::bf16, .group = 4}), 4);
}

TEST(AllToAllWork, IsThatOfAPairwiseExchange) {
  const Work work = all_to_all_work({.bytes = 1 << 20, .dtype = Dtype::bf16, .group = 4});
  EXPECT_EQ(work.sent, Bytes{0.75 * (1 << 20)});
  EXPECT_EQ(work.messages, 3);
}

}  // namespace
}  // namespace moecal::collectives
