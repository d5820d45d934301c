// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/time_limit.hpp"

#include <algorithm>
#include <cmath>
#include <map>
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

double as_last(double share) { return share - std::min(1.0, share / 10); }

}  // namespace

TimeLimit::TimeLimit(const std::vector<BenchProgram>& programs, const MeasureOptions& options,
                     double start)
    : start_{start}, cost_(programs.size(), 0), warm_up_(programs.size(), 0) {
  const bool asked = options.time_limit.has_value();
  const bool on_gpu = std::any_of(programs.begin(), programs.end(),
                                  [&](const auto& program) { return on_cuda(program, options); });
  if (asked)
    seconds_ = options.time_limit;
  else if (on_gpu && !options.energy)
    seconds_ = limit_of_suite(options);
  bool first = true;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const int ranks = plan_launch(programs[i], options).ranks;
    if (ranks == 1 || (asked && ranks > 1)) {
      cost_[i] = cost_of(programs[i], options, ranks);
      if (on_cuda(programs[i], options))
        warm_up_[i] = first ? first_clock_warm_up(options) : kLaterClockWarmUp;
    }
    first = first && ranks == 0;
  }
}

double TimeLimit::to_start(std::size_t number) const { return start_ + warm_up_.at(number); }

void TimeLimit::learn_start(double seconds) {
  start_ =
      (starts_seen_ * start_ + seconds) / (starts_seen_ + 1);  // the first is no guess any more
  ++starts_seen_;
}

TimeLimit::Expected TimeLimit::expected(std::size_t first, std::size_t end) const {
  Expected sum;
  for (std::size_t i = first; i < end; ++i) {
    if (cost_[i] == 0) continue;
    sum.starts += to_start(i);
    sum.points += cost_[i];
  }
  return sum;
}

std::optional<double> TimeLimit::of(std::size_t number, double elapsed) const {
  if (!seconds_ || std::isinf(*seconds_) || cost_.at(number) == 0) return std::nullopt;
  const double left = std::max(0.0, *seconds_ - elapsed);
  for (std::size_t end = cost_.size();; --end) {
    const auto all = expected(number, end);
    const double for_points = std::max(0.0, left - all.starts);
    // Half of what they take is enough to begin with, or, of a short limit, a third of the time.
    if (for_points >= 0.5 * std::min(all.points, all.starts) || end == number + 1)
      return std::min(left, to_start(number) + for_points * cost_[number] / all.points);
  }
}

Shares::Shares(const std::vector<BenchProgram>& programs, const MeasureOptions& options,
               double start)
    : limit_{programs, options, start} {
  for (std::size_t i = 0; i < programs.size(); ++i)
    if (limit_.of(i, 0)) last_ = i;
}

std::optional<double> Shares::of(std::size_t number, double elapsed) const {
  const auto share = limit_.of(number, elapsed);
  return share && number == last_ ? as_last(*share) : share;
}

std::optional<double> Shares::of_rest(std::size_t number, double elapsed) const {
  if (!limit_.of(number, elapsed)) return std::nullopt;
  return as_last(limit_.of(last_, elapsed).value());
}

}  // namespace moecal::cli
