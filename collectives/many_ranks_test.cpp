// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Launches as large as the documents' groups: every collective in every group of 64 and 128 ranks,
// measured point by point as a program does it. Ranks are threads, and what moves their data is the
// oracle; groups, buffers, agreement and verification are what programs run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/collective_bench.hpp"
#include "runtime/every_rank.hpp"
#include "tests/tested_collectives.hpp"
#include "tests/thread_plane.hpp"

namespace moecal::collectives {
namespace {

using Oracle = void (*)(const CollectiveShape&, std::span<const CollectiveTensors>);

/// Rank 0 of the group does the work of all, from and to the buffers that they show it.
template <Oracle oracle>
void by_oracle(const CollectiveShape& shape, const CollectiveTensors& tensors,
               ControlPlane& group) {
  const auto& shown = dynamic_cast<testing::ThreadPlane&>(group).of_all(&tensors);
  if (group.rank() == 0) {
    std::vector<CollectiveTensors> all;
    for (const void* one : shown) all.push_back(*static_cast<const CollectiveTensors*>(one));
    oracle(shape, all);
  }
  group.barrier();
}

/// Rank 1 of every group gets what rank 0 should have got.
template <Oracle oracle>
void by_confused_oracle(const CollectiveShape& shape, const CollectiveTensors& tensors,
                        ControlPlane& group) {
  by_oracle<oracle>(shape, tensors, group);
  const auto& shown = dynamic_cast<testing::ThreadPlane&>(group).of_all(tensors.receive);
  if (group.rank() == 1)
    std::copy_n(static_cast<const std::byte*>(shown[0]), shape.bytes / shape.group,
                tensors.receive);
  group.barrier();
}

template <Oracle oracle>
CollectiveOperation::MpiImplementation implementation() {
  return {"oracle", [](const CollectiveShape&) {}, by_oracle<oracle>};
}

CollectiveOperation routed() {
  return {.name = "all_to_all_v",
          .dtypes = {Dtype::bf16},
          .planner_bytes = {},
          .shape =
              [](const bench::Case& c) {
                return CollectiveShape{0, Dtype::bf16, c.ranks.group};
              },
          .route =
              [](const bench::Case& c) {
                return draw_exchange({c.point.at("bytes") / 512, 128, 2}, c.routing, c.ranks.group,
                                     256);
              },
          .buffers = all_to_all_v_buffers,
          .work = all_to_all_v_work,
          .fill = all_to_all_v_fill,
          .error = all_to_all_v_error,
          .mpi = {implementation<all_to_all_v_local>()}};
}

template <Oracle oracle>
CollectiveOperation sized(const testing::TestedCollective& tested) {
  return {.name = tested.name,
          .dtypes = {tested.dtype},
          .planner_bytes = {},
          .buffers = tested.buffers,
          .work = tested.work,
          .fill = tested.fill,
          .error = tested.error,
          .mpi = {implementation<oracle>()}};
}

std::vector<CollectiveOperation> operations() {
  namespace tested = testing::tested;
  return {sized<all_reduce_local>(tested::kAllReduce),
          sized<reduce_scatter_local>(tested::kReduceScatter),
          sized<all_gather_local>(tested::kAllGather),
          sized<all_to_all_local>(tested::kAllToAll),
          sized<broadcast_local>(tested::kBroadcast),
          sized<send_recv_local>(tested::kSendRecv),
          routed()};
}

bench::Case case_of(const GroupSpec& spec, Dtype dtype, std::int64_t bytes) {
  bench::Case c;
  c.point = {{"bytes", bytes}};
  c.dtypes.a = c.dtypes.c = to_string(dtype);
  c.routing.distribution = "power_law";
  c.ranks = to_ranks(spec, std::vector<int>(static_cast<std::size_t>(spec.world), 0));
  return c;
}

/// One point as it is measured, without its clock: a trial, a call, a verification. Returns this
/// rank's error.
double measured_error(const bench::Benchmark& benchmark, const bench::Case& c,
                      ControlPlane& world) {
  std::unique_ptr<bench::Trial> trial;
  double error = 0;
  bench::Context context{world};
  on_every_rank(world, [&] {
    trial = benchmark.make_trial(benchmark.implementations().front(), c, context);
    trial->prepare(1);
  });
  if (trial->takes_part()) trial->launch(0, nullptr);
  on_every_rank(world, [&] { error = trial->verify().max_rel_error; });
  return error;
}

class Launch : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, Launch, ::testing::Values(6, 64, 128));

/// Smallest and largest message of the smaller launches; the largest alone of the largest, whose
/// time is spent waking ranks.
std::vector<std::int64_t> sizes_for(const GroupSpec& spec) {
  const std::int64_t whole = spec.group * 4;
  if (spec.world > 64) return {65'536 - 65'536 % whole};
  return {whole, 65'536 - 65'536 % whole};
}

/// How many points a rank found right; the others are failures.
int verified_points(const CollectiveOperation& operation, ControlPlane& world) {
  const auto benchmark = make_collective_benchmark(operation);
  int verified = 0;
  for (const GroupSpec& spec : group_specs(world.size())) {
    if (operation.route != nullptr && 128 % spec.group != 0) continue;
    for (const std::int64_t bytes : sizes_for(spec)) {
      const auto c = case_of(spec, operation.dtypes.front(), bytes);
      const double error = measured_error(*benchmark, c, world);
      EXPECT_EQ(error, 0) << operation.name << " of " << bytes << " bytes, groups of " << spec.group
                          << " " << c.ranks.placement << ", rank " << world.rank();
      if (error == 0) ++verified;
    }
  }
  return verified;
}

TEST_P(Launch, VerifiesEveryCollectiveInEveryGroup) {
  std::atomic<int> verified = 0;
  const auto all = operations();
  const auto problems = testing::on_thread_ranks(GetParam(), [&](ControlPlane& world) {
    for (const CollectiveOperation& operation : all) verified += verified_points(operation, world);
  });
  EXPECT_THAT(problems, ::testing::Each(""));
  const int specs = static_cast<int>(group_specs(GetParam()).size());
  const int sizes = GetParam() > 64 ? 1 : 2;
  const int routed_specs = GetParam() == 6 ? 4 : specs;  // 128 experts are no equal thirds
  EXPECT_EQ(verified, GetParam() * sizes * (6 * specs + routed_specs));
}

TEST_P(Launch, PlanesAreTheGroups) {
  const auto problems = testing::on_thread_ranks(GetParam(), [](ControlPlane& world) {
    GroupPlanes planes;
    for (const GroupSpec& spec : group_specs(world.size())) {
      const int mine = world.rank();
      auto& group = dynamic_cast<testing::ThreadPlane&>(planes.of(spec, world));
      std::vector<int> ranks;
      for (const void* rank : group.of_all(&mine)) ranks.push_back(*static_cast<const int*>(rank));
      EXPECT_EQ(ranks, members(spec, membership(spec, mine).index));
      group.barrier();
    }
  });
  EXPECT_THAT(problems, ::testing::Each(""));
}

TEST(Launch64, NoticesOneRankWithAnothersData) {
  CollectiveOperation operation = operations()[1];
  ASSERT_EQ(operation.name, "reduce_scatter");
  operation.mpi[0].run = by_confused_oracle<reduce_scatter_local>;
  const auto problems = testing::on_thread_ranks(64, [&](ControlPlane& world) {
    const auto benchmark = make_collective_benchmark(operation);
    const GroupSpec spec{64, 16, Placement::strided, true};
    const double error = measured_error(*benchmark, case_of(spec, Dtype::f32, 16 * 4 * 33), world);
    EXPECT_EQ(error > 0, membership(spec, world.rank()).rank_in_group == 1);
  });
  EXPECT_THAT(problems, ::testing::Each(""));
}

/// A launch in which ranks 1 and 17 are put into each other's group of 16.
struct MixedUpPlane final : testing::ThreadPlane {
  using ThreadPlane::ThreadPlane;
  [[nodiscard]] std::unique_ptr<ControlPlane> split(int colour) override {
    return ThreadPlane::split(rank() == 1 ? 1 : rank() == 17 ? 0 : colour);
  }
};

TEST(Launch64, NoticesARankOfAnotherGroup) {
  const GroupSpec spec{64, 16, Placement::contiguous, true};
  for (const CollectiveOperation& operation : operations()) {
    std::atomic<int> wrong = 0;
    const auto problems = testing::on_ranks_of<MixedUpPlane>(64, [&](ControlPlane& world) {
      const auto benchmark = make_collective_benchmark(operation);
      const auto c = case_of(spec, operation.dtypes.front(), 65'536);
      if (measured_error(*benchmark, c, world) > 0) ++wrong;
    });
    EXPECT_THAT(problems, ::testing::Each("")) << operation.name;
    // A broadcast is from ranks 0 and 16: the others of their groups get what they expect.
    EXPECT_GE(wrong, 2) << operation.name;
    EXPECT_EQ(wrong == 32, operation.name != "broadcast" && operation.name != "send_recv")
        << operation.name << ": every rank of both groups, but " << wrong << " were wrong";
  }
}

TEST(Launch64, EndsOnEveryRankWhenOneLeaves) {
  const auto problems = testing::on_thread_ranks(64, [](ControlPlane& world) {
    const auto half = world.split(world.rank() % 2);
    if (world.rank() == 5) throw Error{"out of memory"};
    if (world.rank() == 7) half->barrier();
    world.barrier();
  });
  for (int rank = 0; rank < 64; ++rank)
    EXPECT_EQ(problems[rank], rank == 5 ? "out of memory" : "rank 5 left: out of memory");
}

}  // namespace
}  // namespace moecal::collectives
