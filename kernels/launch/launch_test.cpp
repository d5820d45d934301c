// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/launch/launch.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "runtime/device_info.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_launch();
}

namespace moecal::kernels {
namespace {

TEST(Launch, RunsEveryThreadOnce) {
  EXPECT_EQ(launch_cpu({0}), 0);
  EXPECT_EQ(launch_cpu({17}), 17);
}

TEST(Launch, IsNoWork) { EXPECT_EQ(launch_work({100}), Work{}); }

TEST(SmallestStep, IsThatOfTheClockAndNotTheLeastReading) {
  const auto step = [](std::vector<Seconds> readings) { return smallest_step(readings).count(); };
  EXPECT_NEAR(step({Seconds{1.536e-6}, Seconds{2.048e-6}, Seconds{1.536e-6}, Seconds{3.584e-6}}),
              0.512e-6, 1e-12);
  const double noise = 1e-13;  // of readings that CUDA gives as milliseconds in a float
  EXPECT_NEAR(step({Seconds{1.536e-6}, Seconds{1.536e-6 + noise}, Seconds{2.56e-6}}), 1.024e-6,
              1e-12);
  EXPECT_TRUE(std::isinf(step({Seconds{1e-6}, Seconds{1e-6}})));
  EXPECT_TRUE(std::isinf(step({})));
}

TEST(LaunchOnDevice, RunsEachOfItsLaunches) {
  if (const auto found = find_cuda_devices(); found.devices.empty()) GTEST_SKIP() << found.reason;
  if constexpr (build::has_cuda) {
    for (const auto kind : {LaunchKind::empty_kernel, LaunchKind::graph_node,
                            LaunchKind::event_record, LaunchKind::stream_sync}) {
      const auto launches = make_empty_launches(kind, {33});
      launches->run(nullptr);
      EXPECT_EQ(launches->count(), 33);
      launches->run(nullptr);
      EXPECT_EQ(launches->count(), 33);
    }
    EXPECT_GT(event_resolution(), Seconds{0});
    EXPECT_LT(event_resolution(), Seconds{1e-3});
  }
}

TEST(LaunchOnDevice, RecordsTheEventResolutionAsANumber) {
  if (const auto found = find_cuda_devices(); found.devices.empty()) GTEST_SKIP() << found.reason;
  const auto world = make_single_rank_plane();
  bench::Context context{*world, 0};
  bench::Case c;
  c.point = {{"launches", 1}};
  for (const auto* name : {"event_record", "empty_kernel"}) {
    const auto trial = bench::make_launch()->make_trial({name, "cuda"}, c, context);
    trial->prepare(1);
    EXPECT_EQ(trial->figures().count("event_resolution_s"), name == std::string{"event_record"});
  }
}

}  // namespace
}  // namespace moecal::kernels
