// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"
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
  int smallest_batch = 1;           // 20 for collectives: their calls overlap
  std::int64_t largest_batch = 1'000'000;
  Seconds longest_call{2.0};  // a point slower than this is skipped
  std::function<bool()> interrupted = [] { return false; };
  // Whether power or heat holds this rank's device back right now; asked after each sample. Empty:
  // nobody can tell.
  std::function<bool()> throttled;
  Activity* activity = nullptr;  // is told what this rank does; null: nobody asks
};

/// What sampling one point gave.
struct Sampling {
  std::vector<double> samples_s;  // seconds per launch, one per batch
  std::vector<bool> throttled;    // per sample: some rank was; empty: nobody can tell
  std::int64_t batch = 1;         // launches per sample
  int warmup = 0;                 // launches before the first sample
  std::string timer;
};

/// Takes the samples of one point: one call, a batch size, warm-up, then batches until the stop
/// rule is met. Collective over `world`: every rank takes the same number of samples.
class Sampler {
 public:
  Sampler(Clock& clock, ControlPlane& world, SamplerOptions options)
      : clock_{clock}, world_{world}, options_{std::move(options)} {}

  /// Launches `trial` on the sets of `rotation` in turn. Afterwards rotation.untouched() speaks of
  /// the timed launches.
  /// @throws Unsupported if one call takes too long; Interrupted.
  [[nodiscard]] Sampling run(Trial& trial, SetRotation& rotation);

 private:
  Seconds time_batch(Trial& trial, SetRotation& rotation, std::int64_t launches);
  void begin_step(const char* name) { step_ = name; }
  void call_once(Trial& trial, SetRotation& rotation);
  [[nodiscard]] std::int64_t choose_batch(Trial& trial, SetRotation& rotation);
  void warm_up(Trial& trial, SetRotation& rotation, std::int64_t batch);
  void ask_throttled(std::vector<bool>& flags);
  [[nodiscard]] bool agreed_to_stop(const std::vector<double>& samples_s, Seconds spent);

  Clock& clock_;
  ControlPlane& world_;
  SamplerOptions options_;
  std::int64_t launches_ = 0;  // of this run, so far
  const char* step_ = "";
  Seconds call_{0};  // what the first one took
};

}  // namespace moecal::bench
