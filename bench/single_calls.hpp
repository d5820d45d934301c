// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"
#include "bench/common_start.hpp"

namespace moecal::bench {

/// What calls of a collective one at a time took, per call. Each group has a transfer and a skew of
/// its own; of groups that run at once, the largest is given.
struct SingleCalls {
  std::vector<double> call_s;      // the slowest rank's time
  std::vector<double> transfer_s;  // the last arriver's time: it waits for nobody (min of a group)
  std::vector<double> skew_s;      // how much earlier the first arriver was (max - min of a group)
  std::vector<double> skew_floor_s;  // what of it the start of the call may be to blame for
  std::vector<int> late_rank;        // the last arriver; -1 where the skew is within its floor
  Seconds agreeing{0};               // what the ranks' messages about all of them took
};

/// What the ranks of one call measured.
struct CallTimes {
  std::span<const double> seconds;  // [world]; negative on ranks that take no part
  std::span<const double> groups;   // [world]: number of the rank's group
  double floor_s = 0;               // of the skew
};
/// Appends one call to `calls`.
void add_call(SingleCalls& calls, const CallTimes& times);

/// How many calls: `fewest`; beyond them, as long as agreeing on their starts takes no longer than
/// `agreeing`, `usual`, and up to `most` if all of it takes no longer than `budget`.
struct SingleCallLimits {
  int fewest = 3;
  int usual = 20;
  int most = 100;
  Seconds budget{0};
  Seconds agreeing{0};
};
/// Times calls that all ranks start together, each with its own clock. Collective.
[[nodiscard]] SingleCalls time_single_calls(Trial& trial, Clock& own, CommonStart& start,
                                            const SingleCallLimits& limits);

}  // namespace moecal::bench
