// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/device_array.hpp"

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

TEST(MemoryCopy, TakesNullPointersForNothing) {
  EXPECT_NO_THROW(memory_copy_cpu({0}, {nullptr, nullptr}));
}

using MemoryCopyKernel = tests::OnDevice;

void copies_every_byte_and_none_beyond(decltype(&memory_copy_cuda) copy) {
  for (const std::int64_t bytes : {0, 1, 15, 16, 17, 31, 33, 4096, 16385, 100003})
    for (const std::int64_t offset : {0, 1, 16}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes at offset " << offset);
      const auto size = static_cast<std::size_t>(bytes + offset) + 1;
      std::vector<unsigned char> source(size);
      for (std::size_t i = 0; i < size; ++i) source[i] = static_cast<unsigned char>(i * 7 + 1);
      std::vector<unsigned char> expected(size, 0x5a);
      std::copy_n(source.begin() + offset, bytes, expected.begin() + offset);
      tests::DeviceArray<unsigned char> from{source};
      tests::DeviceArray<unsigned char> to{std::vector<unsigned char>(size, 0x5a)};
      copy({bytes},
           {reinterpret_cast<const std::byte*>(from.data()) + offset,
            reinterpret_cast<std::byte*>(to.data()) + offset},
           nullptr);
      EXPECT_EQ(to.host(), expected);
    }
}

TEST_F(MemoryCopyKernel, CopiesEveryByteAndNoneBeyondAtAnyAlignment) {
  copies_every_byte_and_none_beyond(memory_copy_cuda);
}

TEST_F(MemoryCopyKernel, SoDoesTheRuntimesCopy) {
  copies_every_byte_and_none_beyond(memory_copy_cuda_runtime);
}

}  // namespace
}  // namespace moecal::kernels
