// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/launch/launch.hpp"

#include <gtest/gtest.h>

#include "core/build.hpp"
#include "runtime/device_info.hpp"

namespace moecal::kernels {
namespace {

TEST(Launch, RunsEveryThreadOnce) {
  EXPECT_EQ(launch_cpu({0}), 0);
  EXPECT_EQ(launch_cpu({17}), 17);
}

TEST(Launch, IsNoWork) { EXPECT_EQ(launch_work({100}), Work{}); }

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

}  // namespace
}  // namespace moecal::kernels
