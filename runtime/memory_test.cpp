// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "core/build.hpp"
#include "core/error.hpp"

namespace moecal {
namespace {

using Place = Memory::Place;

TEST(Memory, StartsZeroedAlignedAndOfItsSize) {
  const Memory memory{Place::host, 100};
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.as<char>()) % 64, 0);
  EXPECT_EQ(memory.to_host<char>(), std::vector<char>(100));
}

TEST(Memory, HoldsWhatItIsGiven) {
  const std::vector<int> values{1, 2, 3};
  Memory memory = Memory::of(Place::host, values);
  memory.as<int>()[1] = 7;
  const Memory moved = std::move(memory);
  EXPECT_EQ(moved.to_host<int>(), (std::vector<int>{1, 7, 3}));
}

TEST(Memory, MayBeEmpty) {
  EXPECT_TRUE(Memory::of(Place::host, std::vector<int>{}).to_host<int>().empty());
}

TEST(Memory, RefusesDeviceMemoryInABuildWithoutCuda) {
  if (build::has_cuda) GTEST_SKIP() << "this build has CUDA";
  EXPECT_THROW((Memory{Place::device, 1}), Unsupported);
}

}  // namespace
}  // namespace moecal
