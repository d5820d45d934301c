// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_stream/memory_stream.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.hpp"
#include "tests/device_array.hpp"

namespace moecal::kernels {
namespace {

constexpr MemoryStreamShape kRead{.bytes = 0, .reads = 1, .writes = 0};
constexpr MemoryStreamShape kWrite{.bytes = 0, .reads = 0, .writes = 1};
constexpr MemoryStreamShape kTriad{.bytes = 0, .reads = 2, .writes = 1};

MemoryStreamShape sized(MemoryStreamShape shape, std::int64_t elements) {
  shape.bytes = 4 * elements;
  return shape;
}

std::vector<float> numbers(std::int64_t count, int seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>((i * 13 + static_cast<std::size_t>(seed)) % 17) / 8 - 1;
  return values;
}

TEST(MemoryStream, CountsEachArrayOnce) {
  EXPECT_EQ(memory_stream_work(sized(kRead, 100)).read.value(), 400);
  EXPECT_EQ(memory_stream_work(sized(kRead, 100)).written.value(), 0);
  EXPECT_EQ(memory_stream_work(sized(kTriad, 100)).read.value(), 800);
  EXPECT_EQ(memory_stream_work(sized(kTriad, 100)).written.value(), 400);
}

TEST(MemoryStream, OracleIsRightByHand) {
  const std::vector<float> a{1, 2, 3, 4}, b{4, 0, -4, 8};
  std::vector<float> target(4);
  memory_stream_cpu(sized(kTriad, 4), {a.data(), b.data(), target.data()});
  EXPECT_EQ(target, (std::vector<float>{4, 2, 0, 10}));
  memory_stream_cpu(sized(kWrite, 4), {nullptr, nullptr, target.data()});
  EXPECT_EQ(target, (std::vector<float>(4, 0.75F)));
  memory_stream_cpu(sized(kRead, 4), {a.data(), nullptr, target.data()});
  EXPECT_EQ(target[0], 10);
}

TEST(MemoryStream, RefusesWhatItHasNoKernelFor) {
  EXPECT_THROW(check_shape({16, 1, 1}), InvalidInput);
  EXPECT_THROW(check_shape({8, 1, 0}), InvalidInput);
  EXPECT_THROW(check_shape({-16, 1, 0}), InvalidInput);
}

using MemoryStreamKernel = tests::OnDevice;

TEST_F(MemoryStreamKernel, LeavesWhatTheOracleLeavesAndNothingBeyond) {
  for (const auto& kind : {kRead, kWrite, kTriad})
    for (const std::int64_t elements : {0, 4, 32, 36, 4096, 4100, 100'004}) {
      SCOPED_TRACE(testing::Message() << kind.reads << " read, " << elements << " elements");
      const auto shape = sized(kind, elements);
      const auto a = numbers(elements, 1), b = numbers(elements, 5);
      const auto size = static_cast<std::size_t>(kind.writes == 0 ? stream_sums(shape) : elements);
      std::vector<float> expected(size + 4, -7);
      memory_stream_cpu(shape, {a.data(), b.data(), expected.data()});
      tests::DeviceArray<float> first{a}, second{b}, target{std::vector<float>(size + 4, -7)};
      memory_stream_cuda(shape, {first.data(), second.data(), target.data()}, nullptr);
      const auto actual = target.host();
      for (std::size_t i = 0; i < actual.size(); ++i)
        ASSERT_NEAR(actual[i], expected[i], 1e-3) << i;  // the numbers are eighths: sums are exact
    }
}

}  // namespace
}  // namespace moecal::kernels
