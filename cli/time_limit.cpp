// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/time_limit.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "cli/measure_launch.hpp"

namespace moecal::cli {
namespace {

std::optional<double> limit_of_suite(const MeasureOptions& options) {
  static const std::map<std::string, double> kSeconds{
      {"quick", 20}, {"planner", 120}, {"full", 600}};
  const auto found = kSeconds.find(options.suite);
  return found == kSeconds.end() ? std::nullopt : std::optional{found->second};
}

// Seconds, about. A file of cases says nothing about how many are the program's: the same of each.
double cost_of(const BenchProgram& program, const MeasureOptions& options, int ranks) {
  constexpr double kLeastOfRanks = 0.05, kOfCases = 0.05;
  const bool cuda = on_cuda(program, options);
  double cost = 0;
  for (const auto& implementation : program.implementations) {
    const auto& backend = implementation.backend;
    const bool on_device = backend == "cuda" || backend == "nccl";
    if (on_device != cuda && !implementation.of_host) continue;
    const auto found = implementation.seconds.find(options.suite);
    cost += found == implementation.seconds.end() ? kOfCases : found->second;
  }
  // Collectives list their points for one rank: few or none.
  return std::max(cost, ranks > 0 ? kLeastOfRanks : 0.0);
}

}  // namespace

double seconds_to_start(ClockWarmUp warm_up) {
  constexpr double kStart = 0.5;
  if (warm_up == ClockWarmUp::none) return kStart;
  return kStart + (warm_up == ClockWarmUp::first ? kFirstClockWarmUp : kLaterClockWarmUp);
}

TimeLimit::TimeLimit(const std::vector<BenchProgram>& programs, const MeasureOptions& options)
    : cost_(programs.size(), 0), to_start_(programs.size(), 0) {
  const bool asked = options.time_limit.has_value();
  const bool on_gpu = std::any_of(programs.begin(), programs.end(),
                                  [&](const auto& program) { return on_cuda(program, options); });
  if (asked)
    seconds_ = options.time_limit;
  else if (on_gpu && !options.energy)
    seconds_ = limit_of_suite(options);
  auto next = ClockWarmUp::first;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const int ranks = plan_launch(programs[i], options).ranks;
    const bool shares = ranks == 1 || (asked && ranks > 1);
    if (shares) cost_[i] = cost_of(programs[i], options, ranks);
    const auto warm_up = on_cuda(programs[i], options) ? next : ClockWarmUp::none;
    if (shares) to_start_[i] = seconds_to_start(warm_up);
    if (ranks != 0) next = ClockWarmUp::later;
  }
}

std::optional<double> TimeLimit::of(std::size_t number, double elapsed) const {
  if (!seconds_ || std::isinf(*seconds_) || cost_.at(number) == 0) return std::nullopt;
  const auto rest = [number](const std::vector<double>& all) {
    return std::accumulate(all.begin() + static_cast<std::ptrdiff_t>(number), all.end(), 0.0);
  };
  const double left = std::max(0.0, *seconds_ - elapsed);
  const double for_points = std::max(0.0, left - rest(to_start_));
  return std::min(left, to_start_[number] + for_points * cost_[number] / rest(cost_));
}

}  // namespace moecal::cli
