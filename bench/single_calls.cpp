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

/// What the ranks told one another of a call: the number of each rank's group, its time, and how
/// far off the start was. Travels with the start of the next call.
class CallReport {
 public:
  CallReport(int group, const ControlPlane& world)
      : ranks_{static_cast<std::size_t>(world.size())},
        rank_{static_cast<std::size_t>(world.rank())},
        told_(2 * ranks_ + 1, kTakesNoPart) {
    told_[rank_] = group;
  }
  void add(double seconds, double error) {
    told_[ranks_ + rank_] = seconds;
    told_.back() = error;
  }
  [[nodiscard]] std::span<double> told() { return told_; }
  [[nodiscard]] CallTimes times() const {
    const std::span all{told_};
    // One rank early by as much, one late.
    return {.seconds = all.subspan(ranks_, ranks_),
            .groups = all.first(ranks_),
            .floor_s = 2 * told_.back()};
  }

 private:
  std::size_t ranks_;
  std::size_t rank_;
  std::vector<double> told_;  // groups, times, error; of several ranks the largest
};

/// Of all calls.
struct TimedCalls {
  std::vector<CallReport> reports;
  Seconds agreeing{0};  // what the messages before each call and after the last took
};

/// What a message took, but for waiting until the slowest rank's last call had ended.
Seconds without_waiting(Seconds message, const CallReport& last, double own) {
  const Seconds waited{std::max(0.0, std::ranges::max(last.times().seconds)) - std::max(0.0, own)};
  return std::max(Seconds{0}, message - waited);
}

TimedCalls time_calls(Trial& trial, Clock& own, CommonStart& start,
                      const SingleCallLimits& limits) {
  TimedCalls times;
  times.reports.reserve(static_cast<std::size_t>(limits.most) + 1);
  const double begin = start.now();
  const auto wanted = [&] {
    const int done = static_cast<int>(times.reports.size());
    if (done < limits.fewest) return true;
    if (times.agreeing > limits.agreeing) return false;
    return done < limits.usual ||
           (done < limits.most && start.now() - begin < limits.budget.count());
  };
  double seconds = kTakesNoPart;
  // Tells of the last call, and whether there is to be another one.
  const auto meet = [&](CallReport& last) {
    const bool next = start.wait(wanted(), last.told());
    times.agreeing += without_waiting(start.exchanged(), last, seconds);
    return next;
  };
  CallReport nothing_yet{trial.group(), start.world()};
  while (meet(times.reports.empty() ? nothing_yet : times.reports.back())) {
    seconds = kTakesNoPart;
    const double error = trial.takes_part() ? start.error().count() : 0;
    if (trial.takes_part())
      or_end_launch(start.world(),
                    [&] { seconds = own.time([&] { trial.launch(0, own.stream()); }).count(); });
    times.reports.emplace_back(trial.group(), start.world()).add(seconds, error);
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
  const TimedCalls times = time_calls(trial, own, start, limits);
  SingleCalls calls;
  for (const CallReport& report : times.reports) add_call(calls, report.times());
  calls.agreeing = times.agreeing;
  return calls;
}

}  // namespace moecal::bench
