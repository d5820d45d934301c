// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/build.hpp"
#include "core/error.hpp"
#include "runtime/device_info.hpp"
#include "runtime/failed_call.hpp"
#include "runtime/nvml.hpp"

namespace moecal {
namespace {

using testing::HasSubstr;

TEST(FailedCall, SaysWhatWasAttemptedAndWhere) {
  try {
    throw_failed_call({"CUDA", "cudaErrorX", "it broke"}, "copying 12 bytes",
                      std::source_location::current());
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("copying 12 bytes failed: CUDA said cudaErrorX (it broke) ["));
    EXPECT_THAT(error.what(), HasSubstr("[device_test.cpp:"));
  }
}

TEST(CudaDevices, AreThereOrAReasonIs) {
  const auto found = find_cuda_devices();
  EXPECT_EQ(found.devices.empty(), !found.reason.empty());
  if (!build::has_cuda) {
    EXPECT_THAT(found.reason, HasSubstr("no CUDA"));
    EXPECT_THROW(use_cuda_device(0), Unsupported);
  }
  if (found.devices.empty()) {
    EXPECT_THROW(use_cuda_device(0), Error);
  }
}

TEST(Nvml, IsAbsentWhereItsLibraryIs) {
  EXPECT_FALSE(Nvml::load("libmoecal-no-such-library.so"));
  EXPECT_FALSE(Nvml::load("libm.so.6")) << "a library without NVML's functions is not NVML";
}

TEST(Nvml, ReadsADevice) {
  const auto nvml = Nvml::load(MOECAL_FAKE_NVML);
  ASSERT_TRUE(nvml);
  EXPECT_EQ(nvml->driver_version(), "580.1");
  const auto reading = nvml->read("0000:1b:00.0");
  EXPECT_DOUBLE_EQ(reading.sm_clock_hz.value(), 1.7e9);
  EXPECT_DOUBLE_EQ(reading.memory_clock_hz.value(), 2.6e9);
  EXPECT_DOUBLE_EQ(reading.power_w.value(), 650.5);
  EXPECT_DOUBLE_EQ(reading.power_limit_w.value(), 700);
  EXPECT_FALSE(reading.temperature_c) << "the fake does not support it";
  EXPECT_TRUE(is_throttled(reading.throttle_reasons.value()));
  EXPECT_EQ(throttle_names(*reading.throttle_reasons), "idle, software power cap");
  EXPECT_FALSE(reading.energy_j) << "the fake does not support it";
  EXPECT_DOUBLE_EQ(nvml->clocks("0000:1b:00.0").largest_sm_hz.value(), 1.98e9);
  EXPECT_FALSE(nvml->clocks("0000:1b:00.0").application_sm_hz) << "a driver without that function";
}

TEST(Nvml, NamesAnUnknownDevice) {
  const auto nvml = Nvml::load(MOECAL_FAKE_NVML);
  ASSERT_TRUE(nvml);
  try {
    (void)nvml->read("0000:ff:00.0");
    FAIL() << "an unknown device was read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("0000:ff:00.0: no such device"));
  }
}

TEST(Throttling, IsPowerAndHeatOnly) {
  EXPECT_FALSE(is_throttled(0));
  EXPECT_FALSE(is_throttled(0x1 | 0x2 | 0x100));
  EXPECT_TRUE(is_throttled(0x40));
  EXPECT_TRUE(is_power_limited(0x4));
  EXPECT_TRUE(is_throttled(0x80));
  EXPECT_FALSE(is_power_limited(0x80)) << "a brake from outside is no limit of the card's own";
  EXPECT_FALSE(is_power_limited(0x4 | 0x80));
  EXPECT_FALSE(is_power_limited(0x1 | 0x2 | 0x8 | 0x20 | 0x40));
  EXPECT_EQ(throttle_names(0), "none");
}

}  // namespace
}  // namespace moecal
