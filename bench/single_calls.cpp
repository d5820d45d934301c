// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/single_calls.hpp"

#include <algorithm>
#include <map>

#include "bench/agreement.hpp"

namespace moecal::bench {
namespace {

constexpr double kTakesNoPart = -1;

/// The ranks of a group that left a call last and first.
struct Spread {
  double slowest = 0;
  double fastest = 0;
  int late_rank = -1;  // the fastest: it came when all others were waiting
  [[nodiscard]] double skew() const { return slowest - fastest; }
};

std::map<int, Spread> spreads(const CallTimes& times) {
  std::map<int, Spread> found;
  for (std::size_t rank = 0; rank < times.seconds.size(); ++rank) {
    const double seconds = times.seconds[rank];
    if (seconds < 0) continue;
    const auto [entry, first] = found.try_emplace(static_cast<int>(times.groups[rank]));
    Spread& group = entry->second;
    group.slowest = std::max(group.slowest, seconds);
    if (!first && seconds >= group.fastest) continue;
    group.fastest = seconds;
    group.late_rank = static_cast<int>(rank);
  }
  return found;
}

// What this rank measured, call by call, before the ranks tell one another.
struct OwnTimes {
  std::vector<double> seconds;
  std::vector<double> errors;  // of the start
};

OwnTimes time_own_calls(Trial& trial, Clock& own, CommonStart& start,
                        const SingleCallLimits& limits) {
  OwnTimes times;
  const double begin = start.now();
  const auto wanted = [&] {
    const int done = static_cast<int>(times.seconds.size());
    return done < limits.fewest ||
           (done < limits.most && start.now() - begin < limits.budget.count());
  };
  while (start.wait(wanted())) {
    times.seconds.push_back(kTakesNoPart);
    times.errors.push_back(trial.takes_part() ? start.error().count() : 0);
    if (!trial.takes_part()) continue;
    or_end_launch(start.world(), [&] {
      times.seconds.back() = own.time([&] { trial.launch(0, own.stream()); }).count();
    });
  }
  return times;
}

}  // namespace

void add_call(SingleCalls& calls, const CallTimes& times) {
  double slowest = 0, transfer = 0;
  Spread worst;
  for (const auto& [number, group] : spreads(times)) {
    slowest = std::max(slowest, group.slowest);
    transfer = std::max(transfer, group.fastest);
    if (worst.late_rank < 0 || group.skew() > worst.skew()) worst = group;
  }
  calls.call_s.push_back(slowest);
  calls.transfer_s.push_back(transfer);
  calls.skew_s.push_back(worst.skew());
  calls.skew_floor_s.push_back(times.floor_s);
  calls.late_rank.push_back(worst.skew() > times.floor_s ? worst.late_rank : -1);
}

SingleCalls time_single_calls(Trial& trial, Clock& own, CommonStart& start,
                              const SingleCallLimits& limits) {
  ControlPlane& world = start.world();
  OwnTimes times = time_own_calls(trial, own, start, limits);
  const auto ranks = static_cast<std::size_t>(world.size());
  const auto rank = static_cast<std::size_t>(world.rank());
  const std::size_t count = times.seconds.size();
  std::vector<double> groups(ranks, 0), all(ranks * count, kTakesNoPart);
  groups[rank] = trial.group();
  for (std::size_t i = 0; i < count; ++i) all[i * ranks + rank] = times.seconds[i];
  world.max(groups);
  world.max(all);
  world.max(times.errors);
  SingleCalls calls;
  for (std::size_t i = 0; i < count; ++i)
    add_call(calls, {.seconds = std::span{all}.subspan(i * ranks, ranks),
                     .groups = groups,
                     .floor_s = 2 * times.errors[i]});  // one rank early by as much, one late
  return calls;
}

}  // namespace moecal::bench
