// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/sampler.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include "bench/launch_batch.hpp"
#include "bench/warm_up.hpp"
#include "core/error.hpp"

namespace moecal::bench {
namespace {

// A batch over what ranks take to hear of one another. In step they start one apart by about that,
// which only the first of several batches pays; else every batch ends with a message, and messages
// are to take less than 2 % of the time, also on ranks that take turns on few cores.
constexpr double kBatchInStep = 50;
constexpr double kBatchApart = 100;
// An interrupt that reached one rank only may wait so long.
constexpr Seconds kBetweenQuestions{1};
// What the hosts do between samples is seen so often.
constexpr std::size_t kSamplesBetweenQuestions = 9;

}  // namespace

Sampling Sampler::run(Trial& trial, SetRotation& rotation) {
  launches_ = 0;
  begin_step("first call");
  call_once(trial, rotation);
  hold_batches(trial, rotation);
  Sampling result;
  begin_step("choosing the batch");
  result.batch = choose_batch(trial, rotation);
  begin_step("warm-up");
  warm_up(trial, rotation, result.batch);
  result.warmup = static_cast<int>(launches_);
  rotation.forget();
  const auto place = clock_.stream() != nullptr ? Memory::Place::device : Memory::Place::host;
  marks_.emplace(trial, place, rotation.sets()).make();
  begin_step("timed batch");
  const auto timer = clock_.name();
  const Sampling begun = result;
  take_samples(trial, rotation, result);
  if (clock_.name() != timer) {  // a batch could not be held: samples are all of one kind
    const auto draws = result.routing_draws;
    rotation.forget();
    marks_->make();
    result = begun;
    result.routing_draws = draws;
    take_samples(trial, rotation, result);
  }
  result.timer = clock_.name();
  result.touched_sets = rotation.touched();
  if (trial.keeps_draws()) result.routing_draws = result.touched_sets;
  result.device.power_limited = is_power_limited(result.device);
  drop_incomplete(result.device, result.samples_s.size());
  measure_energy(trial, rotation, result);
  return result;
}

void Sampler::take_samples(Trial& trial, SetRotation& rotation, Sampling& result) {
  const double start = options_.wall();
  TimeSpent spent;
  asked_at_ = Seconds{0};
  asked_after_ = 0;
  bool first = true;
  const Batches batch{.before =
                          [&] {
                            if (!std::exchange(first, false)) redraw(trial, rotation, result);
                            watch_.begin_batch();
                          },
                      .after =
                          [&] {
                            note_device(result);
                            note_host(result);
                          }};
  // What this depends on is the same on every rank: a sample is the slowest rank's time.
  for (;;) {
    result.stopped_by = options_.stop.reason(result.samples_s, spent);
    if (!result.stopped_by.empty()) break;
    if (is_time_to_ask(result, spent.sampled)) {
      static_cast<void>(agree_to_go_on(start, spent));
      result.stopped_by = options_.stop.reason(result.samples_s, spent);
      if (!result.stopped_by.empty()) break;
    }
    const auto taken = static_cast<int>(result.samples_s.size());
    Batches batches = batch;
    batches.count = at_once(next_batches(taken, spent));
    for (const Seconds elapsed : time_batches(trial, rotation, result.batch, std::move(batches))) {
      spent.sampled += elapsed;
      result.samples_s.push_back(elapsed.count() / static_cast<double>(result.batch));
    }
  }
  const auto told = agree_to_go_on(start, spent);
  if (std::ranges::none_of(told, [](double held_back) { return held_back < 0; }))
    for (const double held_back : told) result.throttled.push_back(held_back > 0);
  held_back_.clear();
  result.unproven = marks_->unproven();
  // Sets drawn anew since their last launch hold another table than their result is of.
  if (result.routing_draws > 0) (void)clock_.time([&] { trial.launch(0, clock_.stream()); });
}

// The sets of the last sample, in their order: each is drawn long before its turn comes again, so
// a cold one stays cold.
void Sampler::redraw(Trial& trial, const SetRotation& rotation, Sampling& result) {
  for (const int set : rotation.last(result.batch)) {
    const std::int64_t draw = std::max<std::int64_t>(result.routing_draws, rotation.sets());
    marks_->look(set);
    if (trial.redraw(set, draw)) result.routing_draws = draw + 1;
  }
}

Seconds Sampler::time_batch(Trial& trial, SetRotation& rotation, std::int64_t launches) {
  return time_batches(trial, rotation, launches, {}).front();
}

std::vector<Seconds> Sampler::time_batches(Trial& trial, SetRotation& rotation,
                                           std::int64_t launches, Batches batches) {
  Activity unasked;
  Activity& activity = options_.activity != nullptr ? *options_.activity : unasked;
  // A device's launches return before they are done, and ranks that take no part wait for others.
  activity.step(step_, Activity::Limit::timeout,
                2.0 * static_cast<double>(batches.count * launches) * launch_);
  launches_ += batches.count * launches;
  batches.launch = [&] {
    if (!trial.takes_part()) return;
    launch_batch(clock_, launches, at_once_, [&](std::int64_t) {
      trial.launch(rotation.next(), clock_.stream());
      activity.beat();
    });
  };
  auto times = clock_.time_each(batches);
  batch_ = times.back();
  launch_ = batch_ / static_cast<double>(launches);
  return times;
}

void Sampler::agree(std::span<double> values) {
  const auto start = std::chrono::steady_clock::now();
  world_.max(values);
  if (options_.agreeing != nullptr) *options_.agreeing += std::chrono::steady_clock::now() - start;
}

void Sampler::note_device(Sampling& result) {
  held_back_.push_back(-1);
  if (!watch_.sees()) return;
  const auto& reading = watch_.of_batch();
  append(result.device, reading);
  if (const auto reasons = reading.throttle_reasons)
    held_back_.back() = is_throttled(*reasons) ? 1 : 0;
}

void Sampler::note_host(Sampling& result) const {
  if (const auto host = clock_.host_time())
    result.host_s.push_back(host->count() / static_cast<double>(result.batch));
}

// Batches of a tenth of a second: the pauses between them, in which the device idles, are small
// beside them. The counter is the device's own, so a short loop would be its granularity.
void Sampler::measure_energy(Trial& trial, SetRotation& rotation, Sampling& result) {
  if (options_.energy_loop <= Seconds{0}) return;
  const double own = watch_.sees() && watch_.now().energy_j ? 1 : 0;
  if (world_.max(own) == 0) return;
  clock_.hold(false);  // a device that waits for the host takes energy too
  const double shortest = *std::min_element(result.samples_s.begin(), result.samples_s.end());
  const auto batch = std::max(result.batch, static_cast<std::int64_t>(std::ceil(0.1 / shortest)));
  const double before = own > 0 ? *watch_.now().energy_j : 0;
  Seconds spent{0};
  std::int64_t launches = 0;
  for (; spent < options_.energy_loop; launches += batch)
    spent += time_batch(trial, rotation, batch);
  result.device.energy_loop_s = spent.count();
  if (own > 0)
    result.device.energy_j =
        (watch_.now().energy_j.value_or(before) - before) / static_cast<double>(launches);
}

// The first call pays for lazy initialisation, so it is never a sample; it only tells what is
// hopeless.
void Sampler::call_once(Trial& trial, SetRotation& rotation) {
  launch_ = Seconds{0};
  call_ = time_batch(trial, rotation, 1);
  if (call_ > options_.longest_call)
    throw Unsupported{"one call took " + std::to_string(call_.count()) + " s; points over " +
                      std::to_string(options_.longest_call.count()) + " s a call are skipped"};
}

// A kernel's first launch may load it, which waits for the device: none of them is held.
void Sampler::hold_batches(Trial& trial, SetRotation& rotation) {
  at_once_ = clock_.stream() != nullptr ? launches_at_once(trial.enqueues()) : 0;
  if (at_once_ > 0 && rotation.sets() > 1) (void)time_batch(trial, rotation, rotation.sets() - 1);
  clock_.hold(at_once_ > 0);
}

// Long beside what ranks agree on in between, unless too few batches fit into the budget then.
Seconds Sampler::shortest_batch() const {
  const Seconds longest = options_.stop.budget / options_.stop.min_samples;
  const double times = options_.in_step ? kBatchInStep : kBatchApart;
  return std::max(options_.shortest_sample, std::min(times * options_.agreement, longest));
}

// What the first and last call of a batch do not overlap is little beside a long batch.
std::int64_t Sampler::smallest_batch(Trial& trial, SetRotation& rotation) {
  if (options_.smallest_batch == 1) return 1;
  // Ranks may start a batch as far apart as they take to agree, over a slow link many milliseconds.
  const Seconds enough_time =
      std::max(options_.long_batch, options_.smallest_batch * options_.agreement);
  // The first call is slower than others, if anything.
  if (options_.smallest_batch * call_ <= enough_time) return options_.smallest_batch;
  const Seconds call = time_batch(trial, rotation, 1);
  const double enough = std::ceil(enough_time / std::max(call, Seconds{1e-9}));
  return static_cast<std::int64_t>(std::min<double>(options_.smallest_batch, enough));
}

std::int64_t Sampler::choose_batch(Trial& trial, SetRotation& rotation) {
  // However soon the stop rule is met, the timed launches go through every set.
  const int fewest = std::max(1, options_.stop.fewest_samples);
  const std::int64_t per_rotation = (rotation.sets() + fewest - 1) / fewest;
  std::int64_t batch = std::max<std::int64_t>(smallest_batch(trial, rotation), per_rotation);
  const Seconds shortest = shortest_batch();
  while (batch < options_.largest_batch) {
    const Seconds elapsed = time_batch(trial, rotation, batch);
    if (elapsed >= shortest) break;
    const double wanted = 1.2 * (shortest / std::max(elapsed, Seconds{1e-9}));
    const double growth = std::clamp(wanted, 1.5, 100.0);
    batch = static_cast<std::int64_t>(std::ceil(static_cast<double>(batch) * growth));
  }
  return std::min(batch, options_.largest_batch);
}

void Sampler::warm_up(Trial& trial, SetRotation& rotation, std::int64_t batch) {
  WarmUp warm_up{0.5 * options_.stop.budget};
  while (!warm_up.finished())
    for (const Seconds elapsed :
         time_batches(trial, rotation, batch, {.count = at_once(warm_up.wanted(batch_))}))
      warm_up.add(elapsed);
}

// Those until samples may be enough, and no more than the wall allows, as far as that is known.
int Sampler::next_batches(int taken, const TimeSpent& spent) const {
  const int wanted = options_.stop.samples_until_done(taken, spent.sampled, batch_);
  if (taken < options_.stop.fewest_samples) return std::min(wanted, options_.stop.fewest_samples);
  const double each = spent.wall.count() / static_cast<double>(asked_after_);
  const double fitting = (options_.stop.longest_wall() - spent.wall).count() / each;
  return fitting < wanted ? std::max(1, static_cast<int>(fitting)) : wanted;
}

// One rank asks itself at no cost.
bool Sampler::is_time_to_ask(const Sampling& result, Seconds sampled) {
  const auto taken = result.samples_s.size();
  if (taken < static_cast<std::size_t>(options_.stop.fewest_samples)) return false;
  if (world_.size() > 1 && asked_after_ > 0 && sampled - asked_at_ < kBetweenQuestions &&
      taken - asked_after_ < kSamplesBetweenQuestions)
    return false;
  asked_at_ = sampled;
  asked_after_ = taken;
  return true;
}

// Ranks stop after the same sample unasked, but for what is not the same on all of them: an
// interrupt that reached only one, and the time on each one's wall. What held their devices back is
// told with it: it changes nothing about how samples are taken.
std::vector<double> Sampler::agree_to_go_on(double start, TimeSpent& spent) {
  std::vector<double> told = held_back_;
  const double now = options_.wall();
  const auto own = std::array{options_.interrupted() ? 1.0 : 0.0, now - start,
                              now >= options_.deadline ? 1.0 : 0.0};
  told.insert(told.end(), own.begin(), own.end());
  agree(told);
  const auto agreed = told.end() - own.size();
  if (agreed[0] > 0) throw Interrupted{};
  spent.wall = Seconds{agreed[1]};
  spent.over = agreed[2] > 0;
  told.erase(agreed, told.end());
  return told;
}

}  // namespace moecal::bench
