// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/part_times.hpp"

namespace moecal::bench {
namespace {

/// As many launches as hold the calls of a batch.
std::int64_t launches_of(const Part& part, const PartBatches& batches) {
  return (batches.launches + part.calls - 1) / part.calls;
}

Seconds time_batch(const Part& part, const Trial& trial, Clock& clock, const PartBatches& batches) {
  return clock.time([&] {
    if (!trial.takes_part()) return;
    for (std::int64_t i = 0; i < launches_of(part, batches); ++i)
      part.launch(static_cast<int>(i % batches.sets), clock.stream());
  });
}

}  // namespace

std::map<std::string, std::vector<double>> time_parts(Trial& trial, Clock& clock,
                                                      ControlPlane& world,
                                                      const PartBatches& batches) {
  std::map<std::string, std::vector<double>> times;
  const auto own_time = [&](const Part& part) {
    return Seconds{world.max(trial.takes_part() ? part.own_time().count() : 0.0)};
  };
  for (const Part& part : trial.parts()) {
    const auto calls = static_cast<double>(part.calls * launches_of(part, batches));
    for (int i = 0; i <= batches.samples; ++i) {
      batches.begins();
      Seconds batch = time_batch(part, trial, clock, batches);
      if (part.own_time) batch = own_time(part);
      if (i > 0) times[part.name].push_back(batch.count() / calls);
    }
  }
  return times;
}

}  // namespace moecal::bench
