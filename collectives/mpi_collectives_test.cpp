// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Every MPI collective against the oracle, in every group of the launch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/groups.hpp"
#include "collectives/rank_buffers.hpp"
#include "core/error.hpp"
#include "tests/local_ranks.hpp"
#include "tests/ranked_test_main.hpp"
#include "tests/tested_collectives.hpp"

namespace moecal::collectives {
namespace {

namespace tested = testing::tested;

struct Operation {
  testing::TestedCollective tested;
  void (*mpi)(const CollectiveShape&, const CollectiveTensors&, ControlPlane&);
  std::vector<InPlace> placings = {InPlace::no};
  /// Sums need the type that MPI adds; what is only moved goes as bytes too.
  [[nodiscard]] std::vector<Dtype> dtypes() const {
    if (tested.dtype == Dtype::f32) return {Dtype::f32};
    return {Dtype::uint8, tested.dtype};
  }
};

/// This rank's part by MPI equals its part by the oracle, which this rank runs for all.
void expect_oracles_result(const Operation& operation, const CollectiveShape& shape,
                           InPlace in_place, ControlPlane& group) {
  const CollectiveBuffers sizes = operation.tested.buffers(shape);
  testing::LocalRanks ranks{shape.group, sizes};
  for (int rank = 0; rank < shape.group; ++rank)
    operation.tested.fill(shape, rank, ranks.send[rank]);
  operation.tested.local(shape, ranks.tensors());
  const int rank = group.rank();
  const RankLayout layout = layout_of(sizes, rank, in_place);
  RankBuffers<std::vector<std::byte>> mine{
      std::vector<std::byte>(static_cast<std::size_t>(layout.first), std::byte{0xff}),
      std::vector<std::byte>(static_cast<std::size_t>(layout.second), std::byte{0xff})};
  std::ranges::copy(ranks.send[rank], mine.first.begin() + layout.send_at);
  operation.mpi(shape, mine.tensors(layout), group);
  const std::byte* received = mine.tensors(layout).receive;
  EXPECT_TRUE(std::ranges::equal(ranks.receive[rank],
                                 std::span{received, static_cast<std::size_t>(sizes.receive)}));
}

class Mpi : public ::testing::TestWithParam<Operation> {};
INSTANTIATE_TEST_SUITE_P(
    Collectives, Mpi,
    ::testing::Values(
        Operation{tested::kAllGather, all_gather_mpi, {InPlace::no, InPlace::own_block}},
        Operation{tested::kAllReduce, all_reduce_mpi, {InPlace::no, InPlace::own_block}},
        Operation{tested::kAllToAll, all_to_all_mpi},
        Operation{tested::kBroadcast, broadcast_mpi, {InPlace::own_block}},
        Operation{tested::kReduceScatter, reduce_scatter_mpi, {InPlace::no, InPlace::first_block}},
        Operation{tested::kSendRecv, send_recv_mpi}),
    [](const auto& parameter) { return parameter.param.tested.name; });

TEST_P(Mpi, EqualsTheOracleInEveryGroup) {
  for (const GroupSpec& spec : group_specs(testing::world().size())) {
    const Membership where = membership(spec, testing::world().rank());
    const auto group = testing::world().split(where.index);
    EXPECT_EQ(group->rank(), where.rank_in_group);
    if (!where.takes_part) continue;
    for (const Dtype dtype : GetParam().dtypes())
      for (const InPlace in_place : GetParam().placings)
        for (const std::int64_t elements : {0, 1, 31, 33, 262'144}) {
          SCOPED_TRACE(elements);
          expect_oracles_result(GetParam(),
                                {elements * size_of(dtype) * spec.group, dtype, spec.group},
                                in_place, *group);
        }
  }
}

/// This rank's rows by MPI equal those by the oracle.
void expect_oracles_rows(const RoutingShape& shape, const RoutingSpec& spec, ControlPlane& group) {
  const auto exchange = draw_exchange(shape, spec, group.size(), 34);
  const CollectiveShape of{.dtype = Dtype::uint8, .group = group.size(), .exchange = &exchange};
  testing::LocalRanks ranks{group.size(), all_to_all_v_buffers(of)};
  for (int rank = 0; rank < group.size(); ++rank) all_to_all_v_fill(of, rank, ranks.send[rank]);
  all_to_all_v_local(of, ranks.tensors());
  std::vector<std::byte> received(ranks.receive[0].size(), std::byte{0xff});
  all_to_all_v_mpi(of, {ranks.send[group.rank()].data(), received.data()}, group);
  EXPECT_EQ(received, ranks.receive[group.rank()]);
}

TEST(AllToAllVMpi, EqualsTheOracleInEveryGroup) {
  for (const GroupSpec& spec : group_specs(testing::world().size())) {
    const Membership where = membership(spec, testing::world().rank());
    const auto group = testing::world().split(where.index);
    if (!where.takes_part) continue;
    for (const auto* distribution : {"balanced", "uniform", "power_law"})
      for (const std::int64_t tokens : {0, 1, 31, 33, 4096}) {
        SCOPED_TRACE(distribution + std::to_string(tokens));
        expect_oracles_rows({tokens, 12, 2}, {.distribution = distribution}, *group);
      }
  }
}

TEST(AllReduceMpi, SaysWhatItCannotDo) {
  try {
    all_reduce_mpi({64, Dtype::bf16, 2}, {}, testing::world());
    FAIL();
  } catch (const Unsupported& reason) {
    EXPECT_THAT(reason.what(), ::testing::HasSubstr("MPI has no sum of bf16"));
  }
  const auto single = make_single_rank_plane();
  EXPECT_THROW(all_reduce_mpi({64, Dtype::f32, 2}, {}, *single), Unsupported);
  EXPECT_THROW(all_reduce_mpi({std::int64_t{1} << 34, Dtype::f32, 2}, {}, testing::world()),
               Unsupported);
}

}  // namespace
}  // namespace moecal::collectives
