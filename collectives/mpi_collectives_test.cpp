// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Every MPI collective against the oracle, in every group of the launch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/groups.hpp"
#include "core/error.hpp"
#include "tests/local_ranks.hpp"
#include "tests/ranked_test_main.hpp"

namespace moecal::collectives {
namespace {

struct Operation {
  void (*fill)(const CollectiveShape&, int rank, std::span<std::byte>);
  void (*local)(const CollectiveShape&, std::span<const CollectiveTensors>);
  void (*mpi)(const CollectiveShape&, const CollectiveTensors&, ControlPlane&);
};

constexpr Operation kAllReduce{all_reduce_fill, all_reduce_local, all_reduce_mpi};
constexpr Operation kAllToAll{all_to_all_fill, all_to_all_local, all_to_all_mpi};

/// This rank's part by MPI equals its part by the oracle, which this rank runs for all.
void expect_oracles_result(const Operation& operation, const CollectiveShape& shape,
                           ControlPlane& group) {
  testing::LocalRanks ranks{shape};
  for (int rank = 0; rank < shape.group; ++rank) operation.fill(shape, rank, ranks.send[rank]);
  operation.local(shape, ranks.tensors());
  const int rank = group.rank();
  std::vector<std::byte> received(static_cast<std::size_t>(shape.bytes), std::byte{0xff});
  operation.mpi(shape, {ranks.send[rank].data(), received.data()}, group);
  EXPECT_EQ(received, ranks.receive[rank]);
}

void expect_oracles_results(const Operation& operation, Dtype dtype) {
  for (const GroupSpec& spec : group_specs(testing::world().size())) {
    const Membership where = membership(spec, testing::world().rank());
    const auto group = testing::world().split(where.index);
    EXPECT_EQ(group->rank(), where.rank_in_group);
    if (!where.takes_part) continue;
    for (const std::int64_t elements : {0, 1, 31, 33, 262'144}) {
      SCOPED_TRACE(elements);
      expect_oracles_result(operation, {elements * size_of(dtype) * spec.group, dtype, spec.group},
                            *group);
    }
  }
}

TEST(AllReduceMpi, EqualsTheOracle) { expect_oracles_results(kAllReduce, Dtype::f32); }
TEST(AllToAllMpi, EqualsTheOracle) {
  for (const Dtype dtype : {Dtype::uint8, Dtype::bf16}) expect_oracles_results(kAllToAll, dtype);
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
