// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/part_times.hpp"

#include <utility>

#include "bench/launch_batch.hpp"
#include "bench/set_rotation.hpp"

namespace moecal::bench {
namespace {

/// As many launches as hold the calls of a batch.
std::int64_t launches_of(const Part& part, const PartBatches& batches) {
  return (batches.launches + part.calls - 1) / part.calls;
}

// If nothing else is said, a part enqueues no more than the whole each time it is called.
std::int64_t at_once(const Part& part, const Trial& trial) {
  return launches_at_once(part.enqueues > 0 ? part.enqueues : part.calls * trial.enqueues());
}

/// Those of a part that has sets of its own go over as many in a launch as it has calls.
std::int64_t sets_of_launch(const Part& part) { return part.sets > 0 ? part.calls : 1; }

/// Goes on with the next set: what fits into a batch may be few of them, and warm the next time.
Seconds time_batch(const Part& part, const Trial& trial, Clock& clock, const PartBatches& batches,
                   SetRotation& rotation) {
  return clock.time([&] {
    if (!trial.takes_part()) return;
    launch_batch(clock, launches_of(part, batches), at_once(part, trial),
                 [&](std::int64_t) { part.launch(rotation.next(), clock.stream()); });
  });
}

}  // namespace

std::vector<TimedPart> time_parts(Trial& trial, Clock& clock, ControlPlane& world,
                                  const PartBatches& batches) {
  std::vector<TimedPart> timed;
  const auto own_time = [&](const Part& part) {
    return Seconds{world.max(trial.takes_part() ? part.own_time().count() : 0.0)};
  };
  for (Part& found : trial.parts()) {
    auto& [part, seconds, launched] = timed.emplace_back(TimedPart{std::move(found), {}});
    const auto each = sets_of_launch(part);
    if (part.sets == 0) part.sets = batches.sets;
    const auto calls = static_cast<double>(part.calls * launches_of(part, batches));
    SetRotation rotation{batches.sets};
    for (int i = 0; i <= batches.samples; ++i) {
      batches.begins();
      clock.hold(i > 0 && at_once(part, trial) > 0);
      Seconds batch = time_batch(part, trial, clock, batches, rotation);
      if (part.own_time) batch = own_time(part);
      if (i > 0) seconds.push_back(batch.count() / calls);
    }
    launched = each * rotation.touched();
  }
  clock.hold(false);
  return timed;
}

}  // namespace moecal::bench
