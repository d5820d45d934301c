// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Every layer by MPI against its oracle, in every group of the launch.
#include <gtest/gtest.h>

#include "collectives/groups.hpp"
#include "layers/dispatch_combine/dispatch_combine.hpp"
#include "layers/dispatch_combine/testing/group_memory.hpp"
#include "tests/ranked_test_main.hpp"

namespace moecal::layers {
namespace {

/// This rank's part by MPI equals its part by the oracle, which this rank runs for all.
void expect_oracles_result(const DispatchCombinePlan& plan, ControlPlane& group) {
  testing::GroupMemory expected{plan}, actual{plan};
  dispatch_combine_local(plan, expected.tensors());
  const int rank = group.rank();
  for (const Step step : kSteps) dispatch_combine_mpi(plan, step, actual.tensors(rank), group);
  EXPECT_EQ(actual.received[rank], expected.received[rank]);
  EXPECT_EQ(actual.combined[rank], expected.combined[rank]);
  EXPECT_EQ(received_error(plan, rank, actual.received[rank]), 0);
}

TEST(MpiDispatchCombine, EqualsTheOracleInEveryGroup) {
  ControlPlane& world = moecal::testing::world();
  for (const auto& spec : collectives::group_specs(world.size())) {
    const auto group = world.split(membership(spec, world.rank()).index);
    for (const auto* distribution : {"balanced", "power_law"})
      for (const double capacity : {0.0, 1.0})
        for (const std::int64_t tokens : {0, 1, 31, 257}) {
          const DispatchCombineShape shape{.tokens = tokens,
                                           .hidden = 33,
                                           .experts = 12,
                                           .top_k = 2,
                                           .group = spec.group,
                                           .dtype = Dtype::f16};
          expect_oracles_result(plan_dispatch_combine(shape, {.distribution = distribution,
                                                              .capacity_factor = capacity}),
                                *group);
        }
  }
}

}  // namespace
}  // namespace moecal::layers
