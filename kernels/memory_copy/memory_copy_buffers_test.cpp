// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/memory_copy/memory_copy_buffers.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/benchmark.hpp"
#include "core/dtype.hpp"
#include "core/element.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_memory_copy();
}

namespace moecal::kernels {
namespace {

TEST(MemoryCopyFill, IsUniformInMinusOneToOne) {
  constexpr std::int64_t kNumbers = 100'000;
  const auto source = memory_copy_pattern({2 * kNumbers + 1}).whole();
  ASSERT_EQ(source.size(), 2 * kNumbers + 1);
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < kNumbers; ++i) {
    const double value = decode_element(Dtype::bf16, &source[static_cast<std::size_t>(2 * i)]);
    ASSERT_LE(std::abs(value), 1) << i;
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kNumbers, 0, 0.01);
  EXPECT_NEAR(squares / kNumbers, 1.0 / 3, 0.01);
}

TEST(MemoryCopyFill, HasNoTwoBlocksAlike) {
  constexpr std::ptrdiff_t kBlock = 1 << 21;
  const auto source = memory_copy_pattern({3 * kBlock}).whole();
  for (const auto first : {0, 1})
    EXPECT_FALSE(std::equal(source.begin() + first * kBlock, source.begin() + (first + 1) * kBlock,
                            source.begin() + (first + 1) * kBlock));
}

TEST(MemoryCopyFill, IsWhatTheRecordSays) {
  const auto world = make_single_rank_plane();
  bench::Context context{*world, -1};
  const auto benchmark = bench::make_memory_copy();
  const auto c = benchmark->sweep(bench::Suite::quick, "cpu", 1).front();
  EXPECT_EQ(benchmark->make_trial({"memcpy", "cpu"}, c, context)->filled_with(), "uniform [-1, 1]");
}

}  // namespace
}  // namespace moecal::kernels
