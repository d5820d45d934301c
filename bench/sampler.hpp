// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"
#include "bench/common_start.hpp"
#include "bench/device_watch.hpp"
#include "bench/result_marks.hpp"
#include "bench/set_rotation.hpp"
#include "bench/stop_rule.hpp"
#include "runtime/activity.hpp"

namespace moecal::bench {

/// Thrown on every rank at once when one of them was asked to end (SIGINT, SIGTERM).
struct Interrupted : Error {
  Interrupted() : Error{"interrupted"} {}
};

struct SamplerOptions {
  StopRule stop;
  Seconds shortest_sample{100e-6};  // a batch lasts at least this: far above any clock's resolution
  Seconds agreement{0};  // of the ranks (agreement_time): what they do in between is long beside it
  // Whether no rank can run ahead of the others, whatever is launched: then ranks tell one another
  // the times of several batches at once.
  bool in_step = true;
  int smallest_batch = 1;    // 20 for collectives: their calls overlap ...
  Seconds long_batch{0.02};  // ... which is little in a batch as long as this and 20 agreements
  std::int64_t largest_batch = 1'000'000;
  Seconds longest_call{2.0};  // a point slower than this is skipped
  std::function<bool()> interrupted = [] { return false; };
  Activity* activity = nullptr;  // is told what this rank does; null: nobody asks
  Seconds energy_loop{0};        // at least 1 s where energy is asked for; 0: it is not
  std::function<double()> wall = steady_host_time().now;      // seconds; a test hands in its own
  double deadline = std::numeric_limits<double>::infinity();  // by `wall`: of the run's time limit
  // Is added to: how long the ranks' messages to one another took, of agreements and of the clocks
  // (make_slowest_rank_clock), but for waiting until the slowest is done. Null: nobody asks.
  Seconds* agreeing = nullptr;
};

/// What sampling one point gave.
struct Sampling {
  std::vector<double> samples_s;   // seconds per launch, one per batch
  std::vector<double> host_s;      // of this rank, per launch and sample; empty: the clock's own
  std::vector<bool> throttled;     // per sample: some rank was; empty: not known of each
  DeviceTrace device;              // of this rank
  int touched_sets = 0;            // by timed launches
  std::string unproven;            // ResultMarks::unproven, of them
  std::int64_t routing_draws = 0;  // 0: nothing is routed
  std::int64_t batch = 1;          // launches per sample
  int warmup = 0;                  // launches before the first sample
  std::string timer;
  std::string stopped_by;  // as SampleInfo has it
};

/// Takes the samples of one point: one call, a batch size, warm-up, then batches until the stop
/// rule is met. Collective over `world`: every rank takes the same number of samples.
class Sampler {
 public:
  /// `watch` is asked once per sample; by default nobody can tell.
  Sampler(Clock& clock, ControlPlane& world, SamplerOptions options, DeviceWatch watch = {})
      : clock_{clock}, world_{world}, options_{std::move(options)}, watch_{std::move(watch)} {}

  /// Launches `trial` on the sets of `rotation` in turn; what it routes is drawn anew between
  /// samples. Afterwards rotation.untouched() speaks of the timed launches, and set 0 holds the
  /// result of its own draw.
  /// @throws Unsupported if one call takes too long; Interrupted.
  [[nodiscard]] Sampling run(Trial& trial, SetRotation& rotation);

 private:
  Seconds time_batch(Trial& trial, SetRotation& rotation, std::int64_t launches);
  std::vector<Seconds> time_batches(Trial& trial, SetRotation& rotation, std::int64_t launches,
                                    Batches batches);
  [[nodiscard]] int at_once(int batches) const { return options_.in_step ? batches : 1; }
  [[nodiscard]] int next_batches(int taken, const TimeSpent& spent) const;
  [[nodiscard]] bool is_time_to_ask(const Sampling& result, Seconds sampled);
  void begin_step(const char* name) { step_ = name; }
  void agree(std::span<double> values);
  void call_once(Trial& trial, SetRotation& rotation);
  void hold_batches(Trial& trial, SetRotation& rotation);
  [[nodiscard]] Seconds shortest_batch() const;
  [[nodiscard]] std::int64_t smallest_batch(Trial& trial, SetRotation& rotation);
  [[nodiscard]] std::int64_t choose_batch(Trial& trial, SetRotation& rotation);
  void warm_up(Trial& trial, SetRotation& rotation, std::int64_t batch);
  void take_samples(Trial& trial, SetRotation& rotation, Sampling& result);
  void note_device(Sampling& result);
  void note_host(Sampling& result) const;
  void redraw(Trial& trial, const SetRotation& rotation, Sampling& result);
  void measure_energy(Trial& trial, SetRotation& rotation, Sampling& result);
  std::vector<double> agree_to_go_on(double start, TimeSpent& spent);

  Clock& clock_;
  ControlPlane& world_;
  SamplerOptions options_;
  DeviceWatch watch_;
  std::int64_t launches_ = 0;  // of this run, so far
  std::int64_t at_once_ = 0;   // launches of a held batch; 0: none is held
  const char* step_ = "";
  std::optional<ResultMarks> marks_;
  Seconds asked_at_{0};            // of sampled time: when ranks told one another how things stand
  std::size_t asked_after_ = 0;    // and after how many samples
  Seconds call_{0};                // what the first one took
  Seconds batch_{0};               // what the last batch took
  Seconds launch_{0};              // and one launch of it
  std::vector<double> held_back_;  // per sample: 1 if this rank's device was, 0 if not, -1 unknown
};

}  // namespace moecal::bench
