// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/own_bench.hpp"
#include "runtime/device_info.hpp"
#include "tests/kernel_benchmarks.hpp"
#include "tests/launch_is_verified.hpp"

// As many tokens as a step of training has: arrays of more than 2^31 elements, which an index of 32
// bits does not reach. On the first device; up to 7.1 GB of it.
namespace moecal::bench {
namespace {

constexpr std::int64_t kTokens = 163840, kColumns = 7168;
static_assert(2 * kTokens * kColumns > std::int64_t{1} << 31);

Case case_of(const Point& point, bool to_fp8) {
  Case c;
  c.point = point;
  c.dtypes.a = "bf16";
  c.dtypes.c = to_fp8 ? "fp8_e4m3" : "bf16";
  if (to_fp8) c.dtypes.scale_mode = "block_1x128";
  return c;
}

/// The rows that are looked at are spread from the first to the last.
void expect_verified(const Benchmark& benchmark, const Case& c) {
  const auto world = make_single_rank_plane();
  Context context{*world, 0};
  const auto trial = benchmark.make_trial(kOwnCuda, c, context);
  EXPECT_NE(tests::expect_launch_is_verified(*trial, 1).method, "full");
}

void expect_verified(const Benchmark& benchmark, Point point) {
  if (const auto found = find_cuda_devices(); found.devices.empty()) GTEST_SKIP() << found.reason;
  for (const bool to_fp8 : {false, true}) {
    SCOPED_TRACE(to_fp8 ? "to fp8_e4m3" : "bf16");
    try {
      auto c = case_of(point, to_fp8);
      c.routed = benchmark.operation() == "permute";
      expect_verified(benchmark, c);
    } catch (const Unsupported& error) {
      GTEST_SKIP() << error.what();
    }
  }
}

TEST(ManyElements, ArePermuted) {
  expect_verified(*make_permute(),
                  {{"tokens", kTokens}, {"hidden", kColumns}, {"experts", 64}, {"top_k", 2}});
}

TEST(ManyElements, AreActivated) {
  expect_verified(*make_swiglu(), {{"tokens", kTokens}, {"inner", kColumns}});
}

}  // namespace
}  // namespace moecal::bench
