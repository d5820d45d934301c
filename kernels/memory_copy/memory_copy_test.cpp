// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace moecal::kernels {
namespace {

TEST(MemoryCopy, CountsEveryByteReadAndWritten) {
  const auto work = memory_copy_work({1000});
  EXPECT_EQ(work.read.value(), 1000);
  EXPECT_EQ(work.written.value(), 1000);
  EXPECT_EQ(work.flops.value(), 0);
}

TEST(MemoryCopy, CopiesEveryByteAndNoneBeyond) {
  for (const std::int64_t bytes : {0, 1, 15, 16, 17, 31, 33, 4096, 100003}) {
    SCOPED_TRACE(bytes);
    const auto size = static_cast<std::size_t>(bytes);
    std::vector<std::byte> source(size + 1), target(size + 1, std::byte{0x5a});
    for (std::size_t i = 0; i < size; ++i) source[i] = static_cast<std::byte>(i * 7 + 1);
    memory_copy_cpu({bytes}, {source.data(), target.data()});
    EXPECT_TRUE(std::equal(source.begin(), source.begin() + bytes, target.begin()));
    EXPECT_EQ(target[size], std::byte{0x5a});
  }
}

TEST(MemoryCopy, TakesNullPointersForNothing) { memory_copy_cpu({0}, {nullptr, nullptr}); }

}  // namespace
}  // namespace moecal::kernels
