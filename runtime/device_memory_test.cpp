// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/fill.hpp"
#include "runtime/buffer.hpp"
#include "runtime/memory.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

// Device memory on a double of the CUDA runtime: what is in it, and what crossed the bus.
namespace moecal {
namespace {

using tests::fake_cuda;
using Place = Memory::Place;

constexpr auto kPeriod = static_cast<std::int64_t>(kFillPeriod);

std::vector<std::byte> host_bytes(const DeviceBuffer& buffer) {
  std::vector<std::byte> host(buffer.size());
  copy_bytes(host.data(), buffer.data(), host.size());
  return host;
}

class OnFakeDevice : public testing::Test {
 protected:
  void SetUp() override { fake_cuda().bytes_from_outside = 0; }
  void TearDown() override {
    EXPECT_FALSE(fake_cuda().copy_under_way) << "every function waits for its copies";
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }
};

TEST_F(OnFakeDevice, HoldsEveryByteOfAFillOfWhichOnePeriodCrossedTheBus) {
  for (const auto dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::fp8_e4m3, Dtype::fp8_e5m2,
                           Dtype::int8, Dtype::int32, Dtype::uint8})
    for (const auto count : {std::int64_t{0}, std::int64_t{1}, kPeriod - 1, kPeriod, kPeriod + 1,
                             2 * kPeriod, 3 * kPeriod + 7}) {
      SCOPED_TRACE(std::string{to_string(dtype)} + " " + std::to_string(count));
      const auto bytes = uniform_bytes({dtype, 4}, count);
      fake_cuda().bytes_from_outside = 0;
      const auto buffer = to_device(bytes);
      EXPECT_EQ(fake_cuda().bytes_from_outside,
                static_cast<std::size_t>(std::min(kPeriod, count) * size_of(dtype)));
      ASSERT_EQ(host_bytes(buffer), bytes.whole());
      const auto memory = Memory::of(Place::device, bytes);
      ASSERT_EQ(memory.to_host<std::byte>(), bytes.whole());
      EXPECT_TRUE(memory.holds(bytes));
      ASSERT_EQ(Memory::of(Place::host, bytes).to_host<std::byte>(), bytes.whole());
    }
}

TEST_F(OnFakeDevice, HoldsAPartThatStartsInsideAPeriod) {
  const auto bytes = uniform_bytes({Dtype::bf16, 4}, 5 * kPeriod);
  for (const std::size_t first : {std::size_t{2}, 2 * kFillPeriod - 2, 3 * kFillPeriod + 10})
    for (const std::size_t count : {std::size_t{2}, 2 * kFillPeriod, 4 * kFillPeriod + 6}) {
      const auto part = bytes.part(first, count);
      EXPECT_EQ(host_bytes(to_device(part)), part.whole()) << first << " " << count;
    }
}

TEST_F(OnFakeDevice, SeesAByteThatIsAnother) {
  const auto bytes = pattern_bytes(1, 3 * kPeriod);
  for (const auto place : {Place::host, Place::device}) {
    auto memory = Memory::of(place, bytes);
    EXPECT_TRUE(memory.holds(bytes));
    memory.as<std::byte>()[2 * kPeriod + 5] ^= std::byte{1};  // device memory is the host's here
    EXPECT_FALSE(memory.holds(bytes));
    EXPECT_FALSE(memory.holds(bytes.part(0, 100))) << "other sizes are not compared";
  }
}

TEST_F(OnFakeDevice, GivesRowsInTheOrderAskedFor) {
  std::vector<std::uint8_t> bytes(103);  // 10 rows of 10, and 3 bytes
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  for (const auto place : {Place::host, Place::device}) {
    const auto memory = Memory::of(place, bytes);
    const auto rows = memory.rows_to_host({7, 0, 1, 10}, 10);
    ASSERT_EQ(rows.size(), 33U);
    EXPECT_EQ(rows[0], static_cast<std::byte>(70));
    EXPECT_EQ(rows[9], static_cast<std::byte>(79));
    EXPECT_EQ(rows[10], static_cast<std::byte>(0));
    EXPECT_EQ(rows[29], static_cast<std::byte>(19));
    EXPECT_EQ(rows[32], static_cast<std::byte>(102));
    EXPECT_TRUE(memory.rows_to_host({}, 10).empty());
  }
}

TEST_F(OnFakeDevice, CopiesNeighbouringRowsAtOnce) {
  const auto bytes = pattern_bytes(1, 103).whole();  // 10 rows of 10, and 3 bytes
  const auto memory = Memory::of(Place::device, bytes);
  fake_cuda().copies_on_device = 0;
  const auto rows = memory.rows_to_host({2, 3, 4, 3, 4, 9, 10}, 10);
  EXPECT_EQ(fake_cuda().copies_on_device, 3);
  std::vector<std::byte> expected;
  for (const auto& [first, end] : {std::pair{20, 50}, std::pair{30, 50}, std::pair{90, 103}})
    expected.insert(expected.end(), bytes.begin() + first, bytes.begin() + end);
  EXPECT_EQ(rows, expected);
}

TEST_F(OnFakeDevice, SaysWhichCopyFailed) {
  const auto bytes = uniform_bytes({Dtype::uint8, 4}, 2 * kPeriod);
  const DeviceBuffer half{kFillPeriod};  // the device's own copies would go beyond it
  EXPECT_THROW(device_memory::write(half.data(), bytes), Error);
  (void)cudaStreamSynchronize(cudaStreamLegacy);
}

}  // namespace
}  // namespace moecal
