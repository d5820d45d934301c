// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "bench/warm_up.hpp"
#include "core/error.hpp"

namespace moecal::bench {

Sampling Sampler::run(Trial& trial, SetRotation& rotation) {
  launches_ = 0;
  begin_step("first call");
  call_once(trial, rotation);
  Sampling result;
  result.timer = clock_.name();
  begin_step("choosing the batch");
  result.batch = choose_batch(trial, rotation);
  begin_step("warm-up");
  warm_up(trial, rotation, result.batch);
  result.warmup = static_cast<int>(launches_);
  rotation.forget();
  begin_step("timed batch");
  Seconds spent{0};
  while (!agreed_to_stop(result.samples_s, spent)) {
    const Seconds elapsed = time_batch(trial, rotation, result.batch);
    spent += elapsed;
    result.samples_s.push_back(elapsed.count() / static_cast<double>(result.batch));
    ask_throttled(result.throttled);
  }
  return result;
}

Seconds Sampler::time_batch(Trial& trial, SetRotation& rotation, std::int64_t launches) {
  launches_ += launches;
  Activity unasked;
  Activity& activity = options_.activity != nullptr ? *options_.activity : unasked;
  // A device's launches return before they are done, and ranks that take no part wait for others.
  activity.step(step_, Activity::Limit::timeout, 2.0 * static_cast<double>(launches) * call_);
  return clock_.time([&] {
    if (!trial.takes_part()) return;
    for (std::int64_t i = 0; i < launches; ++i) {
      trial.launch(rotation.next(), clock_.stream());
      activity.beat();
    }
  });
}

void Sampler::ask_throttled(std::vector<bool>& flags) {
  const double own = !options_.throttled ? -1.0 : options_.throttled() ? 1.0 : 0.0;
  const double worst = world_.max(own);
  if (worst >= 0) flags.push_back(worst > 0);
}

// The first call pays for lazy initialisation, so it is never a sample; it only tells what is
// hopeless.
void Sampler::call_once(Trial& trial, SetRotation& rotation) {
  call_ = Seconds{0};
  call_ = time_batch(trial, rotation, 1);
  if (call_ > options_.longest_call)
    throw Unsupported{"one call took " + std::to_string(call_.count()) + " s; points over " +
                      std::to_string(options_.longest_call.count()) + " s a call are skipped"};
}

std::int64_t Sampler::choose_batch(Trial& trial, SetRotation& rotation) {
  // However soon the stop rule is met, the timed launches go through every set.
  const int fewest = std::max(1, options_.stop.fewest_samples);
  const std::int64_t per_rotation = (rotation.sets() + fewest - 1) / fewest;
  std::int64_t batch = std::max<std::int64_t>(options_.smallest_batch, per_rotation);
  while (batch < options_.largest_batch) {
    const Seconds elapsed = time_batch(trial, rotation, batch);
    if (elapsed >= options_.shortest_sample) break;
    const double wanted = 1.2 * (options_.shortest_sample / std::max(elapsed, Seconds{1e-9}));
    const double growth = std::clamp(wanted, 1.5, 100.0);
    batch = static_cast<std::int64_t>(std::ceil(static_cast<double>(batch) * growth));
  }
  return std::min(batch, options_.largest_batch);
}

void Sampler::warm_up(Trial& trial, SetRotation& rotation, std::int64_t batch) {
  WarmUp warm_up{0.5 * options_.stop.budget};
  while (!warm_up.finished()) warm_up.add(time_batch(trial, rotation, batch));
}

// The samples are the same on every rank, so the ranks would agree unasked; asking costs one small
// message per batch and makes a disagreement impossible rather than a hang.
bool Sampler::agreed_to_stop(const std::vector<double>& samples_s, Seconds spent) {
  std::array<double, 2> wishes{options_.stop.done(samples_s, spent) ? 1.0 : 0.0,
                               options_.interrupted() ? 1.0 : 0.0};
  world_.max(wishes);
  if (wishes[1] > 0) throw Interrupted{};
  return wishes[0] > 0;
}

}  // namespace moecal::bench
