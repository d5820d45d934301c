// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "bench/benchmark.hpp"
#include "core/error.hpp"
#include "kernels/attention/cudnn_library.hpp"
#include "tests/kernel_benchmarks.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const auto kSaysWhatToInstall = AllOf(HasSubstr("cuDNN 9 cannot be loaded"),
                                      HasSubstr("nvidia-cudnn-cu13"), HasSubstr("LD_LIBRARY_PATH"));

TEST(CudnnLibrary, SaysWhatToInstallWhereItIsMissing) {
  EXPECT_THAT(thrown_message([] { (void)load_cudnn("libcudnn_of_nobody.so.9"); }),
              AllOf(kSaysWhatToInstall, HasSubstr("libcudnn_of_nobody.so.9")));
}

TEST(CudnnLibrary, MustBeCudnn) {
  EXPECT_THAT(thrown_message([] { (void)load_cudnn("libm.so.6"); }),
              HasSubstr("libm.so.6 is no cuDNN"));
}

TEST(CudnnLibrary, MustBeBuiltForTheSameCuda) {
  EXPECT_THAT(thrown_message([] { (void)load_cudnn(MOECAL_CUDNN_OF_CUDA_12); }),
              AllOf(HasSubstr("the cuDNN 9.19.0 found is built for CUDA 12.9, and moecal for 13."),
                    HasSubstr("nvidia-cudnn-cu13")));
}

// Run a second time by CTest, with a file in cuDNN's place that is no library.
TEST(CudnnFused, IsSkippedWhereCudnnIsMissing) {
  if (std::getenv("MOECAL_TEST_WITHOUT_CUDNN") == nullptr)
    GTEST_SKIP() << "a cuDNN that cannot be loaded is in the environment of another run";
  const auto benchmark = bench::make_attention();
  const auto world = make_single_rank_plane();
  bench::Context context{*world, 0};
  const auto cases = benchmark->sweep(bench::Suite::quick, "cuda", 1);
  try {
    (void)benchmark->make_trial({"cudnn_fused", "cuda"}, cases.front(), context);
    FAIL() << "a trial without cuDNN";
  } catch (const Unsupported& reason) {
    EXPECT_THAT(reason.what(), kSaysWhatToInstall);
  }
}

// Its plans are compiled, each for most of a second.
TEST(CudnnFused, MeasuresFewPointsButInSuiteFull) {
  const auto benchmark = bench::make_attention();
  const auto fused = benchmark->implementations().front();
  ASSERT_EQ(fused.name, "cudnn_fused");
  EXPECT_EQ(fused.from, bench::Suite::planner);
  const auto of = [&](bench::Suite suite) {
    auto cases = benchmark->sweep(suite, "cuda", 1);
    std::erase_if(cases, [&](const auto& c) { return !benchmark->measures(fused, c, suite); });
    return cases;
  };
  EXPECT_EQ(of(bench::Suite::full).size(), benchmark->sweep(bench::Suite::full, "cuda", 1).size());
  const auto few = of(bench::Suite::planner);
  EXPECT_EQ(few.size(), 9U);
  EXPECT_EQ(std::ranges::count_if(few, [](const auto& c) { return c.point.at("kv_heads") == 8; }),
            3);
  EXPECT_TRUE(
      std::ranges::any_of(few, [](const auto& c) { return c.point.at("sequence") == 32768; }));
}

TEST(CudnnReason, IsWhatEnginesSaidOnce) {
  EXPECT_EQ(
      cudnn_reason("No valid engine configs for ___\n"
                   "{\"engineId\":0}\n"
                   "Warning: NOT_SUPPORTED; Reason: only Hopper is supported at: !(900 <= v)\n"
                   "Warning: NOT_SUPPORTED; Reason: ptr->isSupported()\n"
                   "{\"engineId\":1}\n"
                   "Warning: NOT_SUPPORTED; Reason: only Hopper is supported at: !(900 <= v)\n"
                   "Warning: NOT_SUPPORTED; Reason: heads must divide at: true\n"),
      "only Hopper is supported; heads must divide");
  EXPECT_EQ(cudnn_reason("hidden_dim should be a multiple of 8"),
            "hidden_dim should be a multiple of 8");
  EXPECT_EQ(cudnn_reason("first\nsecond"), "first");
}

}  // namespace
}  // namespace moecal::kernels
