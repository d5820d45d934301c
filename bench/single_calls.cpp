// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/single_calls.hpp"

#include <algorithm>
#include <map>
#include <numeric>

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
  std::vector<double> errors;     // of the start
  std::vector<double> exchanges;  // before each, and the one that says that there is no other
};

OwnTimes time_own_calls(Trial& trial, Clock& own, CommonStart& start,
                        const SingleCallLimits& limits) {
  OwnTimes times;
  const double begin = start.now();
  const auto wanted = [&] {
    const int done = static_cast<int>(times.seconds.size());
    if (done < limits.fewest) return true;
    if (std::accumulate(times.exchanges.begin(), times.exchanges.end(), 0.0) >
        limits.agreeing.count())
      return false;
    return done < limits.usual ||
           (done < limits.most && start.now() - begin < limits.budget.count());
  };
  while (start.wait(wanted())) {
    times.exchanges.push_back(start.exchanged().count());
    times.seconds.push_back(kTakesNoPart);
    times.errors.push_back(trial.takes_part() ? start.error().count() : 0);
    if (!trial.takes_part()) continue;
    or_end_launch(start.world(), [&] {
      times.seconds.back() = own.time([&] { trial.launch(0, own.stream()); }).count();
    });
  }
  times.exchanges.push_back(start.exchanged().count());
  return times;
}

/// What the messages between calls took, but for waiting until the slowest rank's call ended.
Seconds agreeing_between(const OwnTimes& own, const SingleCalls& calls) {
  double sum = own.exchanges.front();
  for (std::size_t i = 0; i < calls.call_s.size(); ++i)
    sum += std::max(0.0, own.exchanges[i + 1] - (calls.call_s[i] - std::max(0.0, own.seconds[i])));
  return Seconds{sum};
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
  // Ranks' groups, then the calls' seconds, then how far off their starts were: one message.
  std::vector<double> told(ranks + count * ranks, kTakesNoPart);
  told[rank] = trial.group();
  for (std::size_t i = 0; i < count; ++i) told[(i + 1) * ranks + rank] = times.seconds[i];
  told.insert(told.end(), times.errors.begin(), times.errors.end());
  const double before = start.now();
  world.max(told);
  const std::span all{told};
  SingleCalls calls;
  calls.agreeing = Seconds{start.now() - before};
  for (std::size_t i = 0; i < count; ++i)
    add_call(calls, {.seconds = all.subspan((i + 1) * ranks, ranks),
                     .groups = all.first(ranks),
                     // One rank early by as much, one late.
                     .floor_s = 2 * all[(count + 1) * ranks + i]});
  calls.agreeing += agreeing_between(times, calls);
  return calls;
}

}  // namespace moecal::bench
