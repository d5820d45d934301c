// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>

#include "bench/cache_policy.hpp"
#include "bench/sampler.hpp"
#include "bench/testing/fake_trial.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "runtime/control_plane.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

// How long a GPU is busy with the planner's products, by the sampler's and the choice of
// algorithms' own accounting on a device that is no more than a rate. What the host does meanwhile
// (operands, verification) is not in it.
namespace moecal::bench {

std::unique_ptr<Benchmark> make_expert_gemm();

namespace {

using tests::fake_cublaslt;
using tests::fake_cuda;

/// A Hopper card that reaches half of its dense peak: 8-bit types have twice the 16-bit ones'.
double seconds_of(const Case& c, const Work& work) {
  const bool is_narrow = c.dtypes.b == "fp8_e4m3" || c.dtypes.b == "int8";
  const double rate = is_narrow ? 1000e12 : 500e12;
  return 4e-6 + std::max(work.flops.value() / rate, (work.read + work.written).value() / 2.5e12);
}

double time_to_sample(double call_s) {
  FakeTime time;
  FakeTrial trial{time, {.median_s = call_s, .noise = 0.01}};
  SetRotation rotation{1};
  FakeClock clock{time};
  const auto world = make_single_rank_plane();
  (void)Sampler{clock, *world, {.stop = {.budget = default_budget("planner")}}}.run(trial,
                                                                                    rotation);
  return time.now_s;
}

/// Of sixteen candidates, each a little slower than the one before and loaded at its first launch.
double time_to_choose(double call_s) {
  fake_cublaslt() = {};
  for (int rank = 0; rank < 16; ++rank)
    fake_cublaslt().candidates.push_back(
        {.milliseconds = 1e3 * call_s * (1 + 0.05 * rank), .first_milliseconds = 1});
  fake_cuda().clock_ms = 0;
  const auto problem = kernels::expert_gemm_problem({{"m", 8}, {"n", 8}, {"k", 8}},
                                                    kernels::expert_gemm_dtypes("bf16"));
  const auto operands = kernels::make_expert_gemm_operands(problem, 1);
  (void)kernels::make_expert_gemm_cublaslt({problem, operands, 1});
  return fake_cuda().clock_ms / 1e3;
}

/// Both, of calls of about that time: half powers of two are close enough.
class PointTimes {
 public:
  double of(double call_s) {
    const int bucket = static_cast<int>(std::lround(2 * std::log2(call_s)));
    const auto [place, is_new] = known_.try_emplace(bucket);
    const double rounded = std::exp2(bucket / 2.0);
    if (is_new) place->second = time_to_sample(rounded) + time_to_choose(rounded);
    return place->second;
  }

 private:
  std::map<int, double> known_;
};

TEST(PlannerProducts, KeepAGpuBusyForLessThanAMinute) {
  fake_cuda().devices = 1;
  fake_cuda().compute_major = 9;
  const auto benchmark = make_expert_gemm();
  PointTimes times;
  double seconds = 0;
  int points = 0;
  for (const auto& c : benchmark->sweep(Suite::planner, "cuda", 1)) {
    const auto work = benchmark->work(c);
    const auto policies = static_cast<int>(policies_for(work, Bytes{50.0 * 1024 * 1024}).size());
    seconds += policies * times.of(seconds_of(c, work));
    points += policies;
  }
  RecordProperty("points", points);
  RecordProperty("seconds", std::to_string(seconds));
  std::printf("%d points, %.1f s\n", points, seconds);
  EXPECT_LT(seconds, 60);
}

}  // namespace
}  // namespace moecal::bench
