// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"

namespace moecal::bench {

/// What calls of a collective one at a time took, per call.
struct SingleCalls {
  std::vector<double> transfer_s;  // the last arriver's time: it waits for nobody (min over ranks)
  std::vector<double> skew_s;      // how much earlier the first arriver was (max - min)
  std::vector<int> late_rank;      // the last arriver
};

/// Times `count` calls, each after a barrier, with this rank's own clock. Collective over `world`.
[[nodiscard]] SingleCalls time_single_calls(Trial& trial, Clock& own, ControlPlane& world,
                                            int count);

}  // namespace moecal::bench
