// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "bench/cache_policy.hpp"
#include "tests/fake_hopper.hpp"
#include "tests/kernel_benchmarks.hpp"

namespace moecal::bench {
namespace {

int gpu_implementations(const Benchmark& benchmark) {
  int found = 0;
  for (const auto& implementation : benchmark.implementations())
    found += implementation.backend == "cuda" && implementation.from != Suite::full;
  return std::max(1, found);  // a build without CUDA has none
}

template <class Function>
double seconds_of_sweep(const Benchmark& benchmark, Function&& time_of) {
  double seconds = 0;
  for (const auto& c : benchmark.sweep(Suite::planner, "cuda", 1)) {
    const auto work = benchmark.work(c);
    const auto policies =
        benchmark.has_cold_form() ? policies_for(work, Bytes{tests::kHopperL2}).size() : 1;
    seconds += static_cast<double>(policies) * time_of(tests::hopper_seconds(c, work));
  }
  return gpu_implementations(benchmark) * seconds;
}

// Choosing algorithms comes on top: see recording_planner_time_test.
TEST(PlannerSuite, IsSampledInAMinuteOfOneGpu) {
  tests::ByCallTime time_of{tests::time_to_sample};
  double seconds = 0;
  for (const auto make :
       {make_attention, make_expert_gemm, make_grouped_gemm, make_host_transfer, make_launch,
        make_memory_copy, make_memory_stream, make_moe_layer, make_permute, make_quantize,
        make_swiglu, make_topk_gate, make_unpermute}) {
    const auto benchmark = make();
    const double of_operation = seconds_of_sweep(*benchmark, time_of);
    std::printf("%-16s %6.1f s\n", benchmark->operation().c_str(), of_operation);
    seconds += of_operation;
  }
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LT(seconds, 60);
}

}  // namespace
}  // namespace moecal::bench
