// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "bench/cache_policy.hpp"
#include "kernels/expert_gemm/cublaslt_choice.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "tests/fake_hopper.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

namespace moecal::bench {

std::unique_ptr<Benchmark> make_expert_gemm();

namespace {

using tests::fake_cublaslt;
using tests::fake_cuda;

/// Of sixteen candidates, each a little slower than the one before and loaded at its first launch.
double recorded_time_to_choose(double call_s) {
  fake_cublaslt() = {};
  for (int rank = 0; rank < 16; ++rank)
    fake_cublaslt().candidates.push_back({.milliseconds = 1e3 * call_s * (1 + 0.05 * rank),
                                          .first_milliseconds = 1e3 * tests::kKernelLoading});
  fake_cuda().clock_ms = 0;
  const auto problem = kernels::expert_gemm_problem({{"m", 8}, {"n", 8}, {"k", 8}},
                                                    kernels::expert_gemm_dtypes("bf16"));
  const auto operands = kernels::make_expert_gemm_operands(problem, 1);
  (void)kernels::make_expert_gemm_cublaslt({problem, operands, 1});
  return fake_cuda().clock_ms / 1e3;
}

// Sampling comes on top: see planner_time_test, whose formula this is held against.
TEST(PlannerProducts, HaveTheirAlgorithmsChosenInTheTimeThatIsStated) {
  fake_cuda().devices = 1;
  fake_cuda().compute_major = 9;
  const auto benchmark = make_expert_gemm();
  const auto& timing = kernels::kTimingOfOne;
  tests::ByCallTime time_of{recorded_time_to_choose};
  double seconds = 0, stated = 0;
  std::size_t points = 0;
  for (const auto& c : benchmark->sweep(Suite::planner, "cuda", 1)) {
    const auto work = benchmark->work(c);
    const auto policies = policies_for(work, Bytes{tests::kHopperL2}).size();
    const double call_s = tests::hopper_seconds(c, work);
    seconds += static_cast<double>(policies) * time_of(call_s);
    stated += static_cast<double>(policies) *
              (tests::time_to_choose(call_s, timing) + timing.candidates * tests::kKernelLoading);
    points += policies;
  }
  RecordProperty("seconds", std::to_string(seconds));
  std::printf("%zu points, %.1f s, stated %.1f s\n", points, seconds, stated);
  EXPECT_NEAR(stated / seconds, 1, 0.2);
}

}  // namespace
}  // namespace moecal::bench
