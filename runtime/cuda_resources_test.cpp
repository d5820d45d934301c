// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>

#include "core/error.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"
#include "runtime/event.hpp"
#include "tests/thrown_message.hpp"

// Needs the toolkit to compile; what needs a device says so and is skipped without one.
namespace moecal {
namespace {

TEST(Check, ThrowsASentenceAndPassesSuccess) {
  EXPECT_NO_THROW(check(cudaSuccess, "nothing"));
  EXPECT_THAT(thrown_message([] { check(cudaErrorInvalidValue, "doing it"); }),
              testing::StartsWith("doing it failed: CUDA said cudaErrorInvalidValue ("));
}

TEST(DeviceBuffer, NamesTheBytesItCouldNotHave) {
  // More than any device has: fails with and without one.
  constexpr std::size_t kTooMuch = std::size_t{1} << 50;
  EXPECT_THAT(thrown_message([] { DeviceBuffer{kTooMuch}; }),
              testing::StartsWith("allocating 1125899906842624 bytes of device memory failed"));
}

TEST(DeviceBuffer, IsEmptyForZeroBytes) {
  const DeviceBuffer buffer{0};
  EXPECT_EQ(buffer.data(), nullptr);
}

class OnDevice : public testing::Test {
 protected:
  void SetUp() override {
    const auto found = find_cuda_devices();
    if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  }
};

TEST_F(OnDevice, CopiesThereAndBack) {
  const std::array<std::int32_t, 3> values{1, -2, 3};
  auto first = to_device(std::span<const std::int32_t>{values});
  const DeviceBuffer second = std::move(first);
  EXPECT_EQ(first.data(), nullptr);
  std::array<std::int32_t, 3> back{};
  copy_bytes(back.data(), second.data(), sizeof back);
  EXPECT_EQ(back, values);
}

TEST_F(OnDevice, EventsAreInOrder) {
  const CudaStream stream;
  CudaEvent start;
  CudaEvent stop;
  start.record(stream.get());
  stop.record(stream.get());
  stop.synchronize();
  EXPECT_GE(elapsed(start, stop).count(), 0.0);
}

}  // namespace
}  // namespace moecal
