// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_reduce/all_reduce.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/element.hpp"
#include "core/error.hpp"
#include "tests/local_ranks.hpp"

namespace moecal::collectives {
namespace {

TEST(AllReduceLocal, AddsWhatTheRanksHave) {
  const CollectiveShape shape{.bytes = 8, .dtype = Dtype::f32, .group = 3};
  const std::vector<std::vector<float>> sent{{1, 10}, {2, 20}, {4, 0.5F}};
  testing::LocalRanks ranks{shape};
  for (int rank = 0; rank < 3; ++rank) std::memcpy(ranks.send[rank].data(), sent[rank].data(), 8);
  all_reduce_local(shape, ranks.tensors());
  for (int rank = 0; rank < 3; ++rank) {
    std::vector<float> received(2);
    std::memcpy(received.data(), ranks.receive[rank].data(), 8);
    EXPECT_EQ(received, (std::vector<float>{7, 30.5F}));
  }
}

TEST(AllReducePattern, IsExactlyWhatTheOracleMakesOfIt) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::fp8_e4m3})
    for (const int group : {1, 2, 4, dtype == Dtype::fp8_e4m3 ? 16 : 64})
      for (const std::int64_t elements : {0, 1, 31, 33, 251, 4096, 70'001}) {
        const CollectiveShape shape{elements * size_of(dtype), dtype, group};
        testing::LocalRanks ranks{shape};
        for (int rank = 0; rank < group; ++rank) all_reduce_fill(shape, rank, ranks.send[rank]);
        all_reduce_local(shape, ranks.tensors());
        EXPECT_EQ(all_reduce_error(shape, ranks.receive.back()), 0) << elements << " x " << group;
      }
}

TEST(AllReducePattern, NoticesOneWrongElement) {
  const CollectiveShape shape{.bytes = 33 * 4, .dtype = Dtype::f32, .group = 4};
  testing::LocalRanks ranks{shape};
  for (int rank = 0; rank < 4; ++rank) all_reduce_fill(shape, rank, ranks.send[rank]);
  all_reduce_local(shape, ranks.tensors());
  ranks.receive[0][32 * 4 + 3] ^= std::byte{1};
  EXPECT_GT(all_reduce_error(shape, ranks.receive[0]), 0);
}

/// What rank 0 of 2 received of a sum longer than what is compared at once.
struct LongSum {
  static constexpr CollectiveShape shape{.bytes = 70'001 * 4, .dtype = Dtype::f32, .group = 2};
  LongSum() : ranks{shape} {
    for (int rank = 0; rank < 2; ++rank) all_reduce_fill(shape, rank, ranks.send[rank]);
    all_reduce_local(shape, ranks.tensors());
  }
  void set(std::int64_t element, float value) {
    std::memcpy(&ranks.receive[0][element * 4], &value, 4);
  }
  [[nodiscard]] double error() const { return all_reduce_error(shape, ranks.receive[0]); }
  testing::LocalRanks ranks;
};

TEST(AllReducePattern, NoticesWhatIsNotANumberBeforeGoodElements) {
  LongSum sum;
  sum.set(3, std::nanf(""));
  EXPECT_TRUE(std::isnan(sum.error()));
}

TEST(AllReducePattern, ChecksEveryPieceToTheLastElement) {
  LongSum sum;
  EXPECT_EQ(sum.error(), 0);
  sum.set(70'000, 1e6F);
  EXPECT_GT(sum.error(), 1);
}

TEST(AllReducePattern, GoesOnAfterOtherBitsOfTheSameNumber) {
  constexpr CollectiveShape shape{.bytes = 70'001 * 4, .dtype = Dtype::f32, .group = 1};
  testing::LocalRanks ranks{shape};
  all_reduce_fill(shape, 0, ranks.receive[0]);
  const float minus_zero = -0.0F, wrong = 1e6F;
  std::int64_t zero = 0;
  while (decode_element(Dtype::f32, &ranks.receive[0][zero * 4]) != 0) ++zero;
  ASSERT_LT(zero, 35'000) << "in the first half";
  std::memcpy(&ranks.receive[0][zero * 4], &minus_zero, 4);
  EXPECT_EQ(all_reduce_error(shape, ranks.receive[0]), 0);
  std::memcpy(&ranks.receive[0][70'000 * 4], &wrong, 4);
  EXPECT_GT(all_reduce_error(shape, ranks.receive[0]), 1);
}

TEST(AllReduce, RefusesBytesThatAreNotWholeElements) {
  EXPECT_THROW(static_cast<void>(all_reduce_elements({65'537, Dtype::f32, 2})), Unsupported);
  EXPECT_THROW(static_cast<void>(all_reduce_elements({3, Dtype::bf16, 2})), Unsupported);
  EXPECT_EQ(all_reduce_elements({65'536, Dtype::f32, 2}), 16'384);
}

TEST(AllReducePattern, RefusesSumsThatAreNotExact) {
  std::vector<std::byte> send(2);
  EXPECT_THROW(all_reduce_fill({2, Dtype::bf16, 512}, 0, send), Unsupported);
  EXPECT_THROW(all_reduce_fill({2, Dtype::fp8_e4m3, 32}, 0, send), Unsupported);
  EXPECT_THROW(all_reduce_fill({2, Dtype::int8, 2}, 0, send), Unsupported);
}

TEST(AllReduceWork, IsThatOfARing) {
  const Work work = all_reduce_work({.bytes = 1 << 20, .dtype = Dtype::bf16, .group = 4});
  EXPECT_EQ(work.sent, Bytes{1.5 * (1 << 20)});
  EXPECT_EQ(work.messages, 6);
  EXPECT_EQ(work.flops, Flops{0.75 * (1 << 19)});
}

}  // namespace
}  // namespace moecal::collectives
