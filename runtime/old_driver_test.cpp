// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/device_info.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

namespace moecal {
namespace {

TEST(OldDriver, IsNamedWithWhatIsNeeded) {
  tests::fake_cuda().driver = 12'040;
  const auto found = find_cuda_devices();
  EXPECT_TRUE(found.devices.empty());
  EXPECT_THAT(found.reason,
              testing::MatchesRegex("the NVIDIA driver.* is for CUDA up to 12\\.4, and moecal is "
                                    "built with CUDA 13\\.0: install driver 580 or newer, .*"));
  tests::fake_cuda().driver = 13'000;
  EXPECT_EQ(find_cuda_devices().reason, "");
}

}  // namespace
}  // namespace moecal
