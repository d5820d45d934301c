// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/pattern.hpp"

#include <gtest/gtest.h>

#include <string>

#include "collectives/all_gather/all_gather.hpp"
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/broadcast/broadcast.hpp"
#include "collectives/reduce_scatter/reduce_scatter.hpp"
#include "collectives/send_recv/send_recv.hpp"
#include "core/error.hpp"
#include "tests/local_ranks.hpp"

namespace moecal::collectives {
namespace {

using testing::LocalRanks;

double all_reduce_error_of(const CollectiveShape& shape, int, std::span<const std::byte> receive) {
  return all_reduce_error(shape, receive);
}

/// A collective and the least number of its four ranks that notice data of another group in rank
/// 0's place.
struct Verified {
  std::string name;
  CollectiveBuffers (*buffers)(const CollectiveShape&);
  void (*fill)(const CollectiveShape&, int rank, std::span<std::byte>);
  void (*oracle)(const CollectiveShape&, std::span<const CollectiveTensors>);
  double (*error)(const CollectiveShape&, int rank, std::span<const std::byte>);
  int noticed = 4;
};

const Verified kVerified[]{
    {"all_gather", all_gather_buffers, all_gather_fill, all_gather_local, all_gather_error},
    {"all_reduce", all_reduce_buffers, all_reduce_fill, all_reduce_local, all_reduce_error_of},
    {"all_to_all", all_to_all_buffers, all_to_all_fill, all_to_all_local, all_to_all_error},
    {"all_to_all_v", all_to_all_v_buffers, all_to_all_v_fill, all_to_all_v_local,
     all_to_all_v_error},
    {"broadcast", broadcast_buffers, broadcast_fill, broadcast_local, broadcast_error},
    {"reduce_scatter", reduce_scatter_buffers, reduce_scatter_fill, reduce_scatter_local,
     reduce_scatter_error},
    {"send_recv", send_recv_buffers, send_recv_fill, send_recv_local, send_recv_error, 1},
};

/// How many ranks of group 3 find what they received wrong, when rank 0 is one of group
/// `of_rank_0`.
int wrong_ranks(const Verified& verified, CollectiveShape shape, int of_rank_0) {
  LocalRanks ranks{shape.group, verified.buffers(shape)};
  for (int rank = 0; rank < shape.group; ++rank) {
    shape.index = rank == 0 ? of_rank_0 : 3;
    verified.fill(shape, rank, ranks.send[rank]);
  }
  verified.oracle(shape, ranks.tensors());
  shape.index = 3;
  int wrong = 0;
  for (int rank = 0; rank < shape.group; ++rank)
    if (verified.error(shape, rank, ranks.receive[rank]) > 0) ++wrong;
  return wrong;
}

TEST(Pattern, NoticesARankOfAnotherGroup) {
  RoutingSpec even;
  even.distribution = "balanced";
  const RoutedExchange exchange = draw_exchange({64, 8, 2}, even, 4, 256);
  for (const Verified& verified : kVerified)
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      const CollectiveShape shape{4096, dtype, 4, &exchange};
      EXPECT_EQ(wrong_ranks(verified, shape, 3), 0) << verified.name;
      for (const int other : {0, 2, 4, 7})
        EXPECT_EQ(wrong_ranks(verified, shape, other), verified.noticed)
            << verified.name << " of " << to_string(dtype) << ", group " << other;
    }
}

// Where few numbers are exact, sums of summands that count up would be the same everywhere: 16
// ranks that alternate between 0 and 1.
TEST(Pattern, SumsDifferFromPlaceToPlaceAndGroupToGroup) {
  const auto sum_at = [](int group, std::int64_t index) {
    int sum = 0;
    for (int rank = 0; rank < 16; ++rank) sum += summand({Dtype::fp8_e4m3, 16, group}, rank, index);
    return sum;
  };
  int same_place = 0, same_group = 0;
  for (std::int64_t index = 0; index + 1 < kSummandPeriod; ++index) {
    same_place += sum_at(0, index) == sum_at(0, index + 1);
    same_group += sum_at(0, index) == sum_at(1, index);
    EXPECT_LE(sum_at(0, index), 16) << "the largest that FP8 E4M3 counts to exactly";
  }
  EXPECT_LT(same_place, kSummandPeriod / 2);
  EXPECT_LT(same_group, kSummandPeriod / 2);
}

TEST(Pattern, RefusesSumsThatAreNotExact) {
  EXPECT_THROW((void)summand({Dtype::fp8_e4m3, 17}, 0, 0), Unsupported);
  EXPECT_THROW((void)summand({Dtype::uint8, 2}, 0, 0), Unsupported);
}

}  // namespace
}  // namespace moecal::collectives
