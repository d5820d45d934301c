// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/own_bench.hpp"
#include "tests/launch_is_verified.hpp"

#include <gtest/gtest.h>

#include <string>

namespace moecal::bench {

std::unique_ptr<Benchmark> make_quantize();
std::unique_ptr<Benchmark> make_swiglu();

namespace {

struct Given {
  std::unique_ptr<Benchmark> (*make)();
  std::string columns, to, scale_mode;
};

// A result that no launch has written is wrong, also where only some rows are looked at.
TEST(OwnTrial, VerifiesSomeRowsOfALargeResult) {
  const auto world = make_single_rank_plane();
  Context context{*world};
  for (const auto& [make, columns, to, scale_mode] :
       {Given{make_quantize, "hidden", "fp8_e4m3", "tensor"},
        Given{make_quantize, "hidden", "fp8_e4m3", "block_1x128"},
        Given{make_swiglu, "inner", "fp8_e4m3", "block_1x128"},
        Given{make_swiglu, "inner", "bf16", "none"}}) {
    for (const std::int64_t tokens : {33, 10000}) {
      SCOPED_TRACE(columns + " " + to + " " + scale_mode + " " + std::to_string(tokens));
      Case of;
      of.point = {{"tokens", tokens}, {columns, 1000}};
      of.dtypes.a = "bf16";
      of.dtypes.c = to;
      of.dtypes.scale_mode = scale_mode;
      const auto trial = make()->make_trial(kOracleLoop, of, context);
      const auto after = tests::expect_launch_is_verified(*trial, 1);
      EXPECT_EQ(after.method == "full", tokens == 33) << after.method;
    }
  }
}

}  // namespace
}  // namespace moecal::bench
