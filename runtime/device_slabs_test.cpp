// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_slabs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "runtime/memory.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

// On a CUDA runtime without a device.
namespace moecal {
namespace {

using tests::fake_cuda;
constexpr auto kDevice = Memory::Place::device;

TEST(DeviceSlabs, AreOnlyOfThoseWhoShare) {
  std::vector<Memory> pieces;
  for (int i = 0; i < 3; ++i) pieces.emplace_back(kDevice, 100);
  EXPECT_EQ(fake_cuda().buffers.size(), 3U) << "each by itself: what is written beyond is found";
  {
    const device_slabs::Sharing sharing{true};
    for (int i = 0; i < 3; ++i) pieces.emplace_back(kDevice, 100);
    EXPECT_EQ(fake_cuda().buffers.size(), 4U);
    pieces.emplace_back(kDevice, 1 << 20);
    EXPECT_EQ(fake_cuda().buffers.size(), 5U) << "a large piece is no one's neighbour";
  }
  pieces.emplace_back(kDevice, 100);
  EXPECT_EQ(fake_cuda().buffers.size(), 6U);
  pieces.clear();
  EXPECT_TRUE(fake_cuda().buffers.empty());
}

TEST(DeviceSlabs, HoldPiecesThatAreZeroedAlignedAndApart) {
  const device_slabs::Sharing sharing{true};
  std::vector<Memory> pieces;
  for (int i = 0; i < 100'000; ++i) pieces.emplace_back(kDevice, 1000);
  EXPECT_LE(fake_cuda().buffers.size(), 4U);
  std::set<const std::byte*> starts;
  for (const auto& piece : pieces) {
    const auto* start = piece.as<std::byte>();
    starts.insert(start);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(start) % 256, 0U);
    ASSERT_TRUE(fake_cuda().owns(start, 1000));
    ASSERT_TRUE(std::all_of(start, start + 1000, [](auto byte) { return byte == std::byte{0}; }));
  }
  ASSERT_EQ(starts.size(), pieces.size());
  for (auto start = starts.begin(); std::next(start) != starts.end(); ++start)
    ASSERT_GE(*std::next(start) - *start, 1000);
  std::reverse(pieces.begin(), pieces.end());
  pieces.erase(pieces.begin() + 1, pieces.end());
  EXPECT_EQ(fake_cuda().buffers.size(), 1U) << "as long as one piece lives";
  pieces.clear();
  EXPECT_TRUE(fake_cuda().buffers.empty());
}

}  // namespace
}  // namespace moecal
