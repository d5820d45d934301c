// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/point_measurer.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "bench/single_calls.hpp"
#include "core/statistics.hpp"
#include "runtime/device_health.hpp"
#include "runtime/every_rank.hpp"

namespace moecal::bench {
namespace {

// A collective's calls overlap with their neighbours; fewer than this would time the first and the
// last.
constexpr int kCollectiveBatch = 20;

constexpr int kFewestSingleCalls = 3;
constexpr int kUsualSingleCalls = 20;  // as far as they fit in a point's budget
constexpr int kMostSingleCalls = 100;  // as far as they fit in this part of it
constexpr double kPartOfBudget = 0.1;
constexpr double kPartForStarts = 0.01;  // of it, to agree on when calls start
constexpr int kFewestPartSamples = 3;
constexpr int kMostPartSamples = 10;
constexpr double kNotANumber = 1e300;

// Of a rank whose group is not measured, while others are.
class Idleness {
 public:
  Idleness(ControlPlane& world, bool idle) : world_{world} { world_.idle(idle); }
  ~Idleness() { world_.idle(false); }
  Idleness(const Idleness&) = delete;
  Idleness& operator=(const Idleness&) = delete;

 private:
  ControlPlane& world_;
};

void check_rotation(const PlannedPoint& point, const Trial& trial, const SetRotation& rotation,
                    const std::string& unproven) {
  if (point.cache == CachePolicy::warm || !trial.takes_part()) return;
  const std::string refused = "the cache was not cold: ";
  if (const int set = rotation.untouched(); set >= 0)
    throw Error{refused + "buffer set " + std::to_string(set) + " of " +
                std::to_string(rotation.sets()) + " was never launched on"};
  if (!unproven.empty()) throw Error{refused + unproven};
}

void check_verified(const VerificationResult& result) {
  if (result.max_rel_error <= result.tolerance) return;
  std::ostringstream reason;
  reason << "verification failed: relative error " << result.max_rel_error << " is over "
         << result.tolerance << " (" << result.method << ")";
  throw Error{reason.str()};
}

// A table that every sample shares says what that table costs, not what routing costs; but balanced
// routing has one table only.
void check_draws(const PlannedPoint& point, const Trial& trial, const Sampling& sampling) {
  if (!point.c.routed || runs_over_ranks(point.implementation) || trial.keeps_draws() ||
      sampling.samples_s.size() < 2 || point.c.routing.distribution == "balanced")
    return;
  if (sampling.routing_draws == 0)
    throw Error{"the samples share one routing table: the trial of " +
                point.benchmark->operation() + " does not redraw"};
}

}  // namespace

SamplerOptions PointMeasurer::options_for(const PlannedPoint& point) const {
  SamplerOptions options = setup_.sampler;
  if (runs_over_ranks(point.implementation)) options.smallest_batch = kCollectiveBatch;
  options.in_step = stays_in_step(point);
  return options;
}

void PointMeasurer::begin_step(const char* name, Activity::Limit limit, Seconds allowed) {
  if (setup_.sampler.activity != nullptr) setup_.sampler.activity->step(name, limit, allowed);
}

Observation PointMeasurer::describe(const PlannedPoint& point) const {
  Observation o;
  o.operation = point.benchmark->operation();
  o.implementation = point.implementation.name;
  o.backend = point.implementation.backend;
  o.dtypes = point.c.dtypes;
  o.point = point.c.point;
  o.routing = point.c.routing;
  o.routed = point.c.routed;
  o.work = point.work;
  o.ranks = point.c.ranks;
  o.policy.cache = to_string(point.cache);
  o.policy.graph = point.implementation.graph;
  o.policy.stop_rule = options_for(point).stop.str();
  return o;
}

Observation PointMeasurer::measure(const PlannedPoint& point) {
  Observation observation = measure_or_say_why_not(point);
  if (world_.size() == 1) check_device(observation);
  return observation;
}

// After every point, also one that went well: a fault that comes late is still that point's.
void PointMeasurer::check_device(const Observation& observation) const {
  try {
    setup_.check_device();
  } catch (const DeviceLost& lost) {
    const auto& reason = observation.reason;
    throw DeviceLost{(reason.empty() ? "" : reason + "; ") + lost.what()};
  }
}

Observation PointMeasurer::measure_or_say_why_not(const PlannedPoint& point) {
  Observation observation = describe(point);
  try {
    make_and_measure(point, observation);
  } catch (const Interrupted&) {
    throw;
  } catch (const RankLost&) {
    throw;
  } catch (const DeviceLost&) {
    throw;
  } catch (const Unsupported& error) {
    observation.outcome = Outcome::skipped;
    observation.reason = error.what();
  } catch (const std::exception& error) {
    observation.outcome = Outcome::failed;
    observation.reason = error.what();
  }
  return observation;
}

void PointMeasurer::make_and_measure(const PlannedPoint& point, Observation& observation) {
  estimate_.check(observation, setup_.sampler.longest_call);
  warm_up_device(point);
  int sets = 1;
  const auto trial = make_trial(point, sets);
  observation.library = trial->library();
  observation.exchanged = trial->exchanged();
  sample_and_verify(point, *trial, sets, observation);
}

void PointMeasurer::warm_up_device(const PlannedPoint& point) {
  if (device_is_warm_ || point.implementation.of_host) return;
  begin_step("warming the device up", Activity::Limit::own_work);
  on_every_rank(world_, [&] { setup_.warm_up_device(); });
  device_is_warm_ = true;
}

int PointMeasurer::ranks_of_this_host() const {
  if (setup_.hosts.empty()) return world_.size();
  const auto& own = setup_.hosts.at(static_cast<std::size_t>(world_.rank()));
  return static_cast<int>(std::ranges::count(setup_.hosts, own));
}

std::unique_ptr<Trial> PointMeasurer::make_trial(const PlannedPoint& point, int& sets) {
  std::unique_ptr<Trial> trial;
  const Machine machine = measured_by(point.implementation, setup_.machine);
  Context context{world_, machine.device};
  on_every_rank(world_, [&] {
    // Ranks meet in the library that they exchange by: that takes no longer for large buffers.
    begin_step("connecting", Activity::Limit::timeout);
    trial = point.benchmark->make_trial(point.implementation, point.c, context);
    begin_step("preparation", Activity::Limit::own_work);
    sets = buffer_sets(point.cache, trial->footprint(), machine.last_level_cache);
    const bool on_host = machine.device < 0;
    check_memory(sets * (on_host ? ranks_of_this_host() : 1) * trial->allocated(), machine.memory,
                 on_host ? MemoryOf::host : MemoryOf::device);
    if (const auto host = setup_.machine.host_memory; host > Bytes{0})
      check_memory(sets * ranks_of_this_host() * trial->host_memory(), host, MemoryOf::host);
    trial->prepare(sets);
  });
  return trial;
}

std::unique_ptr<Clock> PointMeasurer::make_clock(const PlannedPoint& point, Trial& trial) {
  std::unique_ptr<Clock> clock;
  on_every_rank(world_, [&] { clock = setup_.make_clock(point.implementation); });
  // A dead peer must not leave this rank waiting for the device for ever.
  const bool has_peers = runs_over_ranks(point.implementation);
  if (has_peers || setup_.watch.sees())
    clock->watch([this, &trial, has_peers](Seconds waited) {
      if (has_peers) trial.check_progress(waited);
      setup_.watch.look();
    });
  return clock;
}

void PointMeasurer::sample_and_verify(const PlannedPoint& point, Trial& trial, int sets,
                                      Observation& observation) {
  const Idleness idleness{world_, !trial.takes_part()};
  auto clock = make_clock(point, trial);
  if (world_.size() > 1)
    clock = make_slowest_rank_clock(std::move(clock), world_, setup_.sampler.agreeing);
  SetRotation rotation{sets};
  // An idle GPU says nothing about its host's work.
  const bool of_host = point.implementation.of_host;
  Sampler sampler{*clock, world_, options_for(point), of_host ? DeviceWatch{} : setup_.watch};
  const auto sampling = sampler.run(trial, rotation);
  record(sampling, rotation, observation);
  observation.sample.fill = trial.filled_with();
  on_every_rank(world_, [&] {
    check_rotation(point, trial, rotation, sampling.unproven);
    check_draws(point, trial, sampling);
  });
  observation.library = trial.library();  // an algorithm may be known only once it ran
  estimate_.learn(observation);
  verify(point, trial, observation);
  observation.figures = trial.figures();
  record(time_parts(trial, *clock, sets, observation), point, observation);
  if (runs_over_ranks(point.implementation)) time_single_calls(point, trial, observation);
}

void PointMeasurer::record(const Sampling& sampling, const SetRotation& rotation,
                           Observation& observation) const {
  observation.samples_s = sampling.samples_s;
  observation.host_s = sampling.host_s;
  observation.flags.outlier = outliers(sampling.samples_s);
  observation.flags.throttled = sampling.throttled;
  observation.device = sampling.device;
  auto& sample = observation.sample;
  sample = {"raw", sampling.batch, sampling.timer};
  sample.buffer_sets = rotation.sets();
  sample.touched_sets = sampling.touched_sets;
  sample.routing_draws = sampling.routing_draws;
  sample.stopped_by = sampling.stopped_by;
  observation.policy.warmup = sampling.warmup;
}

// Each part gets the time of a point, as the whole did.
std::vector<TimedPart> PointMeasurer::time_parts(Trial& trial, Clock& clock, int sets,
                                                 const Observation& observation) {
  const Seconds batch{static_cast<double>(observation.sample.iterations_per_sample) *
                      observation.seconds()};
  const double fitting = setup_.sampler.stop.budget / batch;
  const int samples =
      static_cast<int>(std::clamp<double>(fitting, kFewestPartSamples, kMostPartSamples));
  return bench::time_parts(
      trial, clock, world_,
      {.launches = observation.sample.iterations_per_sample,
       .samples = samples,
       .sets = sets,
       .begins = [&] { begin_step("its parts", Activity::Limit::timeout, 2.0 * batch); }});
}

void PointMeasurer::record(const std::vector<TimedPart>& parts, const PlannedPoint& point,
                           Observation& observation) const {
  const auto whole = result_of(observation);
  const Bytes cache = measured_by(point.implementation, setup_.machine).last_level_cache;
  std::vector<Result> results;
  for (const auto& [part, seconds, launched] : parts) {
    observation.parts_s[part.name] = seconds;
    auto policy = CachePolicy::warm;
    if (point.cache == CachePolicy::cold) {
      if (launched >= part.sets)
        policy = policy_of(part.work.read + part.work.written, part.sets, cache);
      observation.parts_cache[part.name] = to_string(policy);
    }
    results.push_back({"the part " + part.name + " of " + whole.of, part.work,
                       Seconds{median(seconds)}, whole.dtype, policy == CachePolicy::warm});
  }
  on_every_rank(world_, [&] {
    for (const auto& result : results) check_possible(point, result);
  });
}

// A host beside the device that is measured has no figures.
void PointMeasurer::check_possible(const PlannedPoint& point, const Result& result) const {
  const Machine machine = measured_by(point.implementation, setup_.machine);
  const bool of_card = machine.device == setup_.machine.device;
  bench::check_possible(result, of_card ? setup_.card : Card{}, machine.last_level_cache);
}

// As many as fit in the time of a point, so that a large transfer is not timed for ever.
void PointMeasurer::time_single_calls(const PlannedPoint& point, Trial& trial,
                                      Observation& observation) {
  const Seconds budget = setup_.sampler.stop.budget;
  const double fitting = budget.count() / observation.seconds();
  const int usual =
      static_cast<int>(std::clamp<double>(fitting, kFewestSingleCalls, kUsualSingleCalls));
  begin_step("single calls", Activity::Limit::timeout,
             Seconds{2 * usual * observation.seconds()} + budget);
  const auto own = make_clock(point, trial);
  const double before = setup_.host_time.now();
  CommonStart start{world_, setup_.host_time};
  const Seconds met{setup_.host_time.now() - before};
  auto calls = bench::time_single_calls(trial, *own, start,
                                        {.fewest = kFewestSingleCalls,
                                         .usual = usual,
                                         .most = kMostSingleCalls,
                                         .budget = kPartOfBudget * budget,
                                         .agreeing = kPartForStarts * budget});
  if (setup_.sampler.agreeing != nullptr) *setup_.sampler.agreeing += met + calls.agreeing;
  observation.call_s = std::move(calls.call_s);
  if (!is_in_step(*point.benchmark)) return;
  observation.skew_s = std::move(calls.skew_s);
  observation.skew_floor_s = std::move(calls.skew_floor_s);
  observation.transfer_s = std::move(calls.transfer_s);
  observation.late_rank = std::move(calls.late_rank);
  for (const int rank : observation.late_rank)
    if (rank >= 0 && !setup_.hosts.empty())
      observation.late_hosts[rank] = setup_.hosts.at(static_cast<std::size_t>(rank));
}

// Before a part is timed: those of a layer leave what the whole should have left.
void PointMeasurer::verify(const PlannedPoint& point, Trial& trial, Observation& observation) {
  begin_step("verification", Activity::Limit::own_work);
  on_every_rank(world_, [&] { observation.verification = trial.verify(); });
  auto& result = observation.verification;
  // JSON has no word for what is not a number.
  if (!std::isfinite(result.max_rel_error)) result.max_rel_error = kNotANumber;
  result.max_rel_error = world_.max(result.max_rel_error);
  on_every_rank(world_, [&] {
    check_verified(result);
    check_possible(point, result_of(observation));
  });
}

}  // namespace moecal::bench
