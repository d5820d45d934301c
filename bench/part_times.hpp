// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"

namespace moecal::bench {

/// How a trial's parts are timed.
struct PartBatches {
  std::int64_t launches = 1;             // calls of a part in a batch, at least
  int samples = 1;                       // batches, after one that is not timed
  int sets = 1;                          // buffer sets, used in turn
  std::function<void()> begins = [] {};  // called before each batch
};

struct TimedPart {
  Part part;                    // its `sets` are never 0
  std::vector<double> seconds;  // per call, one per batch, the slowest rank's
  std::int64_t launched = 0;    // buffer sets that its launches went over, on this rank
};

/// Collective over `world`; `clock` is that of the samples.
[[nodiscard]] std::vector<TimedPart> time_parts(Trial& trial, Clock& clock, ControlPlane& world,
                                                const PartBatches& batches);

}  // namespace moecal::bench
