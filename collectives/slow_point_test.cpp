// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// A point whose buffers take longer to fill and to check than ranks wait for one another, as those
// of tens of gigabytes do: run with a MOECAL_TIMEOUT_S that is shorter than kLong.
#include <gtest/gtest.h>

#include <thread>

#include "bench/point_measurer.hpp"
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/collective_bench.hpp"
#include "runtime/tcp_plane.hpp"
#include "tests/ranked_test_main.hpp"

namespace moecal::collectives {
namespace {

constexpr std::chrono::seconds kLong{3};

void fill_slowly(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  if (rank == 0) std::this_thread::sleep_for(kLong);
  all_reduce_fill(shape, rank, send);
}

double check_slowly(const CollectiveShape& shape, int rank, std::span<const std::byte> receive) {
  if (rank == 0) std::this_thread::sleep_for(kLong);
  return all_reduce_error(shape, receive);
}

Observation measure(std::int64_t bytes) {
  const auto benchmark =
      make_collective_benchmark({.name = "all_reduce",
                                 .dtypes = {Dtype::f32},
                                 .planner_bytes = {},
                                 .buffers = all_reduce_buffers,
                                 .work = all_reduce_work,
                                 .fill = fill_slowly,
                                 .error = check_slowly,
                                 .mpi = {{"ompi", all_reduce_check_mpi, all_reduce_mpi}}});
  bench::PointMeasurer::Setup setup;
  setup.machine.memory = Bytes{1e9};
  setup.machine.last_level_cache = Bytes{1e3};
  setup.sampler.stop.budget = Seconds{0.01};
  setup.make_clock = [](const bench::Implementation&) { return bench::make_steady_clock(); };
  const int size = testing::world().size();
  bench::Case c;
  c.point = {{"bytes", bytes}};
  c.dtypes.a = c.dtypes.c = "f32";
  c.ranks = to_ranks({.world = size, .group = size / 2}, std::vector<int>(size, 0));
  return bench::PointMeasurer{testing::world(), setup}.measure(
      {benchmark.get(), {"ompi", "mpi"}, c, bench::CachePolicy::warm});
}

TEST(SlowPoint, IsMeasuredWhileIdleRanksWait) {
  ASSERT_LT(timeout_from_environment(), kLong);
  const Observation observation = measure(4096);
  EXPECT_EQ(observation.outcome, Outcome::measured) << observation.reason;
  EXPECT_FALSE(observation.samples_s.empty());
}

TEST(OddPoint, IsSkippedWithTheReason) {
  const Observation observation = measure(65'537);
  EXPECT_EQ(observation.outcome, Outcome::skipped);
  EXPECT_EQ(observation.reason, "65537 bytes are not whole f32 elements");
}

}  // namespace
}  // namespace moecal::collectives
