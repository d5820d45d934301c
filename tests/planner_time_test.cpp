// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "bench/cache_policy.hpp"
#include "bench/plan.hpp"
#include "cli/measure_launch.hpp"
#include "cli/time_limit.hpp"
#include "kernels/attention/attention_cudnn.hpp"
#include "kernels/topk_gate/topk_gate.hpp"
#include "layers/moe_layer/layer_buffers.hpp"
#include "tests/fake_hopper.hpp"
#include "tests/hopper_host.hpp"
#include "tests/programs_of_one_rank.hpp"

namespace moecal::bench {
namespace {

using tests::HostWork;

constexpr Bytes kHalfOfMemory{75e9};  // of an H200: larger points are skipped
constexpr double kHostBandwidth = 1e11;

/// What a suite's points come to, on one GPU.
struct SuiteTime {
  int points = 0;
  double sampling = 0;
  double choosing = 0;
  double host = 0;
  [[nodiscard]] double seconds() const { return sampling + choosing + host; }
  SuiteTime& operator+=(const SuiteTime& other) {
    points += other.points;
    sampling += other.sampling;
    choosing += other.choosing;
    host += other.host;
    return *this;
  }
};

struct NamedSuite {
  Suite suite;
  const char* name;
  double limit_s;
};

/// Whether a Hopper card measures this, alone in its host.
bool is_measured(const Implementation& implementation, const Case& c, Suite suite) {
  const auto& name = implementation.name;
  if (implementation.backend != "cuda" && !implementation.of_host) return false;
  if (implementation.from > suite || name.ends_with("_all_devices")) return false;
  if (name == "cutlass_sm100a" || c.dtypes.scale_mode == "mx") return false;
  if (name == "cublas_grouped" || name == "cutlass_sm80") return c.dtypes.a != "fp8_e4m3";
  const auto& scales = c.dtypes.scale_mode;
  if (name == "cutlass_sm90a") return scales != "outer_vector" && scales != "block_1x128";
  return true;
}

std::vector<Implementation> implementations_on_a_gpu(const Benchmark& benchmark) {
  auto all = benchmark.implementations();
  std::erase_if(all, [](const auto& each) { return each.backend != "cuda" && !each.of_host; });
  return all;
}

Bytes moved(const Work& work) { return work.read + work.written; }

/// Of the larger of its parts: each by itself goes over all buffer sets.
Bytes footprint_of_gate(const Case& c) {
  const kernels::TopkGateShape shape{.tokens = c.point.at("tokens"),
                                     .experts = c.point.at("experts"),
                                     .top_k = c.point.at("top_k"),
                                     .dtype = parse_dtype(c.dtypes.a)};
  return std::max(moved(choose_experts_work(shape)), moved(sort_choices_work(shape)));
}

/// Of all operands, results and what lies between them.
Bytes footprint_of(const std::string& operation, const Case& c, const Work& work) {
  // Unfused attention's scores are written twice and read twice, but there once.
  if (operation == "attention" && work.written > work.read) return 0.5 * work.written;
  if (operation == "topk_gate") return std::min(footprint_of_gate(c), moved(work));
  if (operation == "moe_layer")
    return moved(work) +
           layers::bytes_between(layers::moe_layer_problem(c.point, c.dtypes, c.routing));
  return moved(work);
}

/// cuDNN compiles one in 0.3 to 0.44 s of a core of an AMD EPYC host (for Hopper, by
/// cudnn_plans_test): once for both caches, of which each case has the cold one.
double planning(const Implementation& implementation, CachePolicy policy) {
  constexpr double kOnePlan = 0.37;
  const bool plans = implementation.name == "cudnn_fused" && policy == CachePolicy::cold;
  return plans ? kOnePlan * kernels::kMostCudnnPlans : 0;
}

double choosing(const std::string& operation, const Implementation& implementation, double call_s) {
  const auto of_several = [&](double share) {
    return tests::time_to_choose(share * call_s, kernels::kTimingOfSeveral);
  };
  auto of_one = kernels::kTimingOfOne;
  if (operation == "expert_gemm") return tests::time_to_choose(call_s, of_one);
  if (implementation.name == "cudnn_fused") {
    of_one.candidates = kernels::kMostCudnnPlans;
    return tests::time_to_choose(call_s, of_one);
  }
  if (operation == "attention") return 2 * of_several(0.5);
  // Groups whose rows round up to the same power of two share a choice: of a draw about three.
  if (operation == "moe_layer") return 2 * 3 * of_several(0.1);
  return implementation.name == "cublaslt_streams" ? 3 * of_several(0.3) : 0;
}

class Accountant {
 public:
  explicit Accountant(const NamedSuite& suite) : suite_{suite} {}

  [[nodiscard]] Suite suite() const { return suite_.suite; }
  [[nodiscard]] const char* suite_name() const { return suite_.name; }

  [[nodiscard]] SuiteTime of(const Benchmark& benchmark) {
    SuiteTime sum;
    for (const auto& implementation : implementations_on_a_gpu(benchmark))
      for (const auto& c : benchmark.sweep(suite_.suite, implementation.backend, 1))
        if (benchmark.measures(implementation, c, suite_.suite) &&
            is_measured(implementation, c, suite_.suite))
          sum += of(benchmark, implementation, c);
    return sum;
  }

 private:
  SuiteTime of(const Benchmark& benchmark, const Implementation& implementation, const Case& c) {
    const auto work = benchmark.work_by(implementation, c);
    auto policies = policies_for(work, Bytes{tests::kHopperL2});
    if (!benchmark.has_cold_form()) policies = {CachePolicy::warm};
    SuiteTime sum;
    for (const auto policy : policies)
      sum += of_point({benchmark, implementation, c, work}, policy);
    return sum;
  }
  struct Point {
    const Benchmark& benchmark;
    const Implementation& implementation;
    const Case& c;
    const Work& work;
  };
  SuiteTime of_point(const Point& point, CachePolicy policy) {
    const auto operation = point.benchmark.operation();
    const Bytes footprint = footprint_of(operation, point.c, point.work);
    int sets = 1;
    try {
      sets = buffer_sets(policy, footprint, Bytes{tests::kHopperL2});
    } catch (const std::exception&) {
      return {};
    }
    if (sets * footprint > kHalfOfMemory) return {};
    const double call_s = point.implementation.of_host ? moved(point.work).value() / kHostBandwidth
                                                       : tests::hopper_seconds(point.c, point.work);
    const auto sampled = sample_(call_s);
    auto host_work = tests::host_work(operation, point.c, sets);
    if (point.benchmark.has_cold_form()) host_work += tests::marking_work(sets);
    const double host = tests::host_seconds(host_work);
    return {
        1, sampled.seconds + parts(operation, call_s) + redraws(point, sampled, sets),
        choosing(operation, point.implementation, call_s) + planning(point.implementation, policy),
        host};
  }
  /// Those of a layer are timed in graphs of sixteen calls, ten samples each after a first.
  [[nodiscard]] double parts(const std::string& operation, double call_s) const {
    const double batch_s = shortest_device_batch(suite_.name).count();
    if (operation == "moe_layer") return 11 * std::max(16 * call_s, batch_s);
    return operation == "topk_gate" ? 2 * 11 * std::max(call_s, batch_s) : 0;
  }
  /// Of the sets of each sample, until the wall ends the point.
  [[nodiscard]] double redraws(const Point& point, const tests::Sampled& sampled, int sets) const {
    if (!point.c.routed) return 0;
    const auto work = tests::redraw_work(point.benchmark.operation(), point.c);
    const double each = tests::host_seconds(work) - tests::host_seconds({});
    const double of_sample = std::min<double>(sets, sampled.batch) * each;
    const StopRule rule{.budget = default_budget(suite_.name)};
    const double longest = std::max(rule.longest_wall().count(), rule.fewest_samples * of_sample);
    return std::min(sampled.samples * of_sample, longest);
  }

  NamedSuite suite_;
  tests::ByCallTime<std::function<tests::Sampled(double)>> sample_{
      [name = suite_.name](double call_s) { return tests::sample(call_s, name); }};
};

void print(const std::string& what, const SuiteTime& time) {
  std::printf("%-16s %5d points  sampling %6.1f s  choosing %6.1f s  host %6.1f s\n", what.c_str(),
              time.points, time.sampling, time.choosing, time.host);
}

/// What a program loads for an operation before and between its points, in seconds.
double loading_for(const std::string& operation, Suite suite) {
  // cuBLASLt's kernels, a few hundred of a program; cuDNN's libraries and its handle.
  constexpr double kCublaslt = 300 * tests::kKernelLoading, kCudnn = 1;
  if (operation == "attention") return kCublaslt + (suite == Suite::quick ? 0 : kCudnn);
  const bool multiplies = operation == "expert_gemm" || operation == "grouped_gemm";
  return multiplies || operation == "moe_layer" ? kCublaslt : 0;
}

/// What a program takes for its points and for what it loads, as the model has it, and what
/// `moecal measure` knows of it.
struct Planned {
  double seconds = 0;
  cli::BenchProgram program;
};

Planned planned(const Program& program, Accountant& accountant, SuiteTime& sum) {
  Benchmarks benchmarks;
  double seconds = 0;
  for (const auto make : program.makes) {
    benchmarks.push_back(make());
    const auto operation = benchmarks.back()->operation();
    const auto own = accountant.of(*benchmarks.back());
    print(operation, own);
    sum += own;
    seconds += own.seconds() + loading_for(operation, accountant.suite());
  }
  return {seconds,
          cli::described({"", program.name, {}, {}, 0},
                         list_as_json(program.name, benchmarks, accountant.suite_name(), 1))};
}

constexpr double kStart = 0.5;  // seconds of a program, CUDA's included

/// What a run takes until it knows its programs. The first counts the devices, for which it starts
/// CUDA as each does that measures; those that bring cuBLASLt, five, take 0.2 s and the other
/// twelve 0.01 s of a core of an AMD EPYC host.
double listing(double start) { return start + 5 * 0.2 + 12 * 0.01; }

/// A suite's programs, as `moecal measure` knows them, and what each takes for its points.
struct Plan {
  explicit Plan(const NamedSuite& suite) {
    Accountant accountant{suite};
    SuiteTime sum;
    for (const auto& program : kProgramsOfOneRank) {
      auto [seconds, described] = planned(program, accountant, sum);
      needed.push_back(seconds);
      programs.push_back(std::move(described));
    }
    print(std::string{"all of "} + suite.name, sum);
    options.suite = suite.name;
  }
  /// Of each program, the first for longer (cli/measure_launch.hpp).
  [[nodiscard]] double warm_up(bool is_first) const {
    return is_first ? cli::first_clock_warm_up(options) : cli::kLaterClockWarmUp;
  }
  std::vector<double> needed;
  std::vector<cli::BenchProgram> programs;
  cli::MeasureOptions options;
};

class OnOneHopper : public testing::TestWithParam<NamedSuite> {};

// A model, not a measurement: rates of the card and its host are those of tests/fake_hopper.hpp and
// tests/hopper_host.cpp.
TEST_P(OnOneHopper, ASuiteKeepsToItsTimeLimitAndProgramsToTheirShares) {
  const Plan plan{GetParam()};
  const cli::TimeLimit limit{plan.programs, plan.options, kStart};
  double seconds = listing(kStart);
  for (std::size_t i = 0; i < plan.programs.size(); ++i) {
    const double needed = kStart + plan.warm_up(i == 0) + plan.needed[i];
    EXPECT_LT(needed, limit.of(i, seconds).value()) << plan.programs[i].name;
    seconds += needed;
  }
  std::printf("with listing, the programs' starts and kernels' loading %.1f s\n", seconds);
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LT(seconds, GetParam().limit_s);
}
INSTANTIATE_TEST_SUITE_P(Suites, OnOneHopper,
                         testing::Values(NamedSuite{Suite::quick, "quick", 20},
                                         NamedSuite{Suite::planner, "planner", 120},
                                         NamedSuite{Suite::full, "full", 600}),
                         [](const auto& given) { return std::string{given.param.name}; });

/// A run of a plan whose programs take so long to start, as cli/measure_run.cpp goes about it.
class Replay {
 public:
  Replay(const Plan& plan, double start)
      : plan_{plan},
        start_{start},
        shares_{plan.programs, plan.options, start},
        seconds_{listing(start)},
        left_{plan.needed} {
    for (std::size_t i = 0; i < left_.size(); ++i)
      if (const double share = shares_.of(i, seconds_).value(); share > shares_.to_start(i))
        run(i, share);
    for (std::size_t i = 0; i < left_.size(); ++i)
      if (const double rest = shares_.of_rest(i, seconds_).value();
          left_[i] > 0 && rest >= shares_.to_start(i) + 1)
        run(i, rest);
  }
  [[nodiscard]] double seconds() const { return seconds_; }
  [[nodiscard]] int starts() const { return starts_; }
  /// The share of all the time that points take.
  [[nodiscard]] double measured() const {
    const auto sum = [](const auto& all) { return std::accumulate(all.begin(), all.end(), 0.0); };
    return 1 - sum(left_) / sum(plan_.needed);
  }

 private:
  void run(std::size_t number, double share) {
    const double before = start_ + plan_.warm_up(starts_++ == 0);
    const double points = std::clamp(share - before, 0.0, left_[number]);
    left_[number] -= points;
    seconds_ += before + points;
    shares_.learn_start(start_);
  }

  const Plan& plan_;
  double start_;
  cli::Shares shares_;
  double seconds_;
  std::vector<double> left_;  // of each program's points
  int starts_ = 0;
};

// On hosts slower than the model's a part of the suite is measured, within the same time.
TEST(QuickOnOneHopper, KeepsToItsTimeLimitHoweverSlowlyProgramsStart) {
  const Plan plan{{Suite::quick, "quick", 20}};
  double more = 1;
  for (const double start : {0.5, 0.8, 1.2, 2.0}) {
    const Replay replay{plan, start};
    std::printf("starts of %.1f s: %d programs, %.0f %% of the points' time, in %.1f s\n", start,
                replay.starts(), 100 * replay.measured(), replay.seconds());
    EXPECT_LE(replay.seconds(), 20 + 1e-9) << start;
    EXPECT_LE(replay.measured(), more) << start;
    more = replay.measured();
    if (start == 0.5) {
      EXPECT_EQ(replay.measured(), 1);
    }
  }
  EXPECT_GT(more, 0.2) << "where a start takes as long as the points of three programs";
}

}  // namespace
}  // namespace moecal::bench
