// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <type_traits>

#include "bench/sampler.hpp"
#include "bench/testing/fake_trial.hpp"
#include "kernels/expert_gemm/candidate_choice.hpp"
#include "runtime/control_plane.hpp"

/// How long points would keep a Hopper card busy, by the sampler's own accounting on a device that
/// is no more than rates. What the host does meanwhile (operands, verification) is hopper_host's.
namespace moecal::tests {

inline constexpr double kHopperL2 = 50.0 * 1024 * 1024;

/// A card that reaches half of its dense peak, 8-bit types having twice the 16-bit ones'.
inline double hopper_seconds(const bench::Case& c, const Work& work) {
  const bool is_narrow = c.dtypes.b == "fp8_e4m3" || c.dtypes.b == "int8";
  const double flops = work.flops.value() / (is_narrow ? 1000e12 : 500e12);
  const double bytes = (work.read + work.written).value() / 2.5e12;
  const double link = work.sent.value() / 50e9;  // between host and device
  return 4e-6 + std::max({flops, bytes, link});
}

/// What sampling a point comes to: the device's time until the median of such calls is known, its
/// first call loading a kernel.
struct Sampled {
  double seconds = 0;
  double samples = 0;
  double batch = 0;  // launches of a sample
};

inline Sampled sample(double call_s, const std::string& suite) {
  bench::FakeTime time;
  bench::FakeTrial trial{time, {.median_s = call_s, .noise = 0.01, .cold_start_s = 1e-3}};
  bench::SetRotation rotation{1};
  bench::FakeClock clock{time};
  const auto world = make_single_rank_plane();
  const bench::SamplerOptions options{.stop = {.budget = bench::default_budget(suite)},
                                      .shortest_sample = bench::shortest_device_batch(suite)};
  const auto sampling = bench::Sampler{clock, *world, options}.run(trial, rotation);
  return {time.now_s, static_cast<double>(sampling.samples_s.size()),
          static_cast<double>(sampling.batch)};
}

/// Until the fastest of candidate algorithms for such calls is chosen, their kernels being loaded:
/// a launch and two batches (of long ones, one) of each that is not given up, as
/// recording_planner_time_test finds it.
inline double time_to_choose(double call_s, const kernels::CandidateTiming& timing) {
  const double batch_s = timing.seconds.count();
  const double batches = call_s > 10 * batch_s ? 1.1 : 2.2;
  return timing.candidates * (call_s + batches * std::max(call_s, batch_s));
}
/// What loading a kernel takes at its first launch.
inline constexpr double kKernelLoading = 1e-3;

/// A function of a call's time, asked once for each half power of two: that is close enough.
template <class Function>
class ByCallTime {
 public:
  explicit ByCallTime(Function function) : function_{function} {}
  auto operator()(double call_s) {
    const int bucket = static_cast<int>(std::lround(2 * std::log2(call_s)));
    const auto [place, is_new] = known_.try_emplace(bucket);
    if (is_new) place->second = function_(std::exp2(bucket / 2.0));
    return place->second;
  }

 private:
  Function function_;
  std::map<int, std::invoke_result_t<Function, double>> known_;
};

}  // namespace moecal::tests
