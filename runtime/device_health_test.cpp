// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/thrown_message.hpp"

namespace moecal {
namespace {

using tests::fake_cuda;

TEST(DeviceHealth, IsGoodWhereTheDeviceWorks) { EXPECT_NO_THROW(check_cuda_device()); }

TEST(DeviceHealth, ClearsWhatAFailedCallLeftBehind) {
  fake_cuda().faults = 1;
  EXPECT_NO_THROW(check_cuda_device());
  EXPECT_EQ(fake_cuda().faults, 0);
}

TEST(DeviceHealth, TellsAContextThatIsDead) {
  fake_cuda().faults = 1000;
  EXPECT_THROW(check_cuda_device(), DeviceLost);
  EXPECT_THAT(thrown_message([] { check_cuda_device(); }),
              testing::HasSubstr("the device takes no work any more: cuda"));
  fake_cuda().faults = 0;
}

}  // namespace
}  // namespace moecal
