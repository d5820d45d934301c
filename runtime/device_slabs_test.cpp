// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_slabs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
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

/// As cudaMalloc's: a test of what is written beyond a piece meets no neighbour's first byte.
void expect_alignment_and_distance(const std::map<const std::byte*, std::size_t>& bytes_from) {
  constexpr std::ptrdiff_t kDriverRounds = 512;
  const auto first_of = [](const std::byte* start) {  // of its allocation
    return std::prev(fake_cuda().buffers.upper_bound(start))->first;
  };
  for (auto piece = bytes_from.begin(); piece != bytes_from.end(); ++piece) {
    const auto& [start, bytes] = *piece;
    ASSERT_EQ((start - first_of(start)) % kDriverRounds, 0);
    if (std::next(piece) == bytes_from.end()) return;
    ASSERT_GE(std::next(piece)->first - start,
              std::max(kDriverRounds, static_cast<std::ptrdiff_t>(bytes)));
  }
}

constexpr std::size_t kSizes[]{1000, 4, 100, 512};

TEST(DeviceSlabs, HoldPiecesThatAreZeroedAlignedAndApart) {
  const device_slabs::Sharing sharing{true};
  std::vector<Memory> pieces;
  for (int i = 0; i < 100'000; ++i) pieces.emplace_back(kDevice, kSizes[i % std::size(kSizes)]);
  EXPECT_LE(fake_cuda().buffers.size(), 4U);
  std::map<const std::byte*, std::size_t> bytes_from;
  for (const auto& piece : pieces) {
    const auto* start = piece.as<std::byte>();
    bytes_from[start] = piece.bytes();
    ASSERT_TRUE(fake_cuda().owns(start, piece.bytes()));
    ASSERT_TRUE(
        std::all_of(start, start + piece.bytes(), [](auto b) { return b == std::byte{0}; }));
  }
  ASSERT_EQ(bytes_from.size(), pieces.size());
  expect_alignment_and_distance(bytes_from);
  std::reverse(pieces.begin(), pieces.end());
  pieces.erase(pieces.begin() + 1, pieces.end());
  EXPECT_EQ(fake_cuda().buffers.size(), 1U) << "as long as one piece lives";
  pieces.clear();
  EXPECT_TRUE(fake_cuda().buffers.empty());
}

}  // namespace
}  // namespace moecal
