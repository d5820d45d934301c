// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/part_times.hpp"

namespace moecal::bench {
namespace {

/// Seconds per launch of one batch.
double time_batch(const Part& part, const Trial& trial, Clock& clock, const PartBatches& batches) {
  const Seconds batch = clock.time([&] {
    if (!trial.takes_part()) return;
    for (std::int64_t i = 0; i < batches.launches; ++i)
      part.launch(static_cast<int>(i % batches.sets), clock.stream());
  });
  return batch.count() / static_cast<double>(batches.launches);
}

}  // namespace

std::map<std::string, std::vector<double>> time_parts(Trial& trial, Clock& clock,
                                                      ControlPlane& world,
                                                      const PartBatches& batches) {
  std::map<std::string, std::vector<double>> times;
  const auto own_time = [&](const Part& part) {
    const double own = trial.takes_part() ? part.own_time().count() : 0.0;
    return world.max(own) / static_cast<double>(batches.launches);
  };
  for (const Part& part : trial.parts())
    for (int i = 0; i <= batches.samples; ++i) {
      batches.begins();
      double seconds = time_batch(part, trial, clock, batches);
      if (part.own_time) seconds = own_time(part);
      if (i > 0) times[part.name].push_back(seconds);
    }
  return times;
}

}  // namespace moecal::bench
