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

void expect_oracles_result_of_draws(const DispatchCombineShape& shape, ControlPlane& group) {
  for (const auto* distribution : {"balanced", "uniform", "power_law"})
    for (const double capacity : {0.0, 1.0})
      expect_oracles_result(
          plan_dispatch_combine(shape, {.distribution = distribution, .capacity_factor = capacity}),
          group);
}

TEST(MpiDispatchCombine, EqualsTheOracleInEveryGroup) {
  using Shape = DispatchCombineShape;
  ControlPlane& world = moecal::testing::world();
  for (const auto& spec : collectives::group_specs(world.size())) {
    const auto group = world.split(membership(spec, world.rank()).index);
    for (const std::int64_t tokens : {0, 1, 31, 257})
      for (Shape shape : {Shape{.hidden = 33, .experts = 12, .top_k = 2, .dtype = Dtype::f16},
                          Shape{.hidden = 1, .experts = 4, .top_k = 4, .dtype = Dtype::f32},
                          Shape{.hidden = 64, .experts = 64, .top_k = 8, .dtype = Dtype::bf16}}) {
        shape.tokens = tokens;
        shape.group = spec.group;
        expect_oracles_result_of_draws(shape, *group);
      }
  }
}

}  // namespace
}  // namespace moecal::layers
