// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "bench/common_start.hpp"
#include "bench/limits.hpp"
#include "bench/machine.hpp"
#include "bench/part_times.hpp"
#include "bench/planned_point.hpp"
#include "bench/sampler.hpp"
#include "core/observation.hpp"

namespace moecal::bench {

/// Turns planned points into observations: makes the trial, samples it, verifies it, and turns what
/// went wrong into an outcome. Collective over the world: every rank measures every point.
class PointMeasurer {
 public:
  /// Makes the clock for an implementation; a test hands in a fake one.
  using ClockFactory = std::function<std::unique_ptr<Clock>(const Implementation&)>;
  struct Setup {
    Machine machine;
    Card card;  // its nominal figures, where they are known
    SamplerOptions sampler;
    DeviceWatch watch;  // of this rank's device
    // Before the first trial is made, which may choose algorithms by their times: a GPU's clocks
    // swing for about 3 s.
    std::function<void()> warm_up_device = [] {};
    ClockFactory make_clock;
    // Throws DeviceLost where the device takes no work any more; asked after each point of a launch
    // of one rank.
    std::function<void()> check_device = [] {};
    HostTime host_time = steady_host_time();
    std::vector<std::string> hosts{};  // of each rank; empty: not known
  };

  PointMeasurer(ControlPlane& world, Setup setup) : world_{world}, setup_{std::move(setup)} {}

  /// Fills everything of an observation that the point and the measurement decide, samples,
  /// outcome, verification and library; the run's own fields are the caller's.
  /// @throws Interrupted; DeviceLost, saying what the point came to: no other can be measured.
  /// Nothing else: a failure is an outcome.
  [[nodiscard]] Observation measure(const PlannedPoint& point);
  /// No more samples than a record needs are taken after this moment by the sampler's wall clock.
  void set_deadline(double moment) { setup_.sampler.deadline = moment; }
  /// The observation before anything is measured: what Observation::key() is made of.
  [[nodiscard]] Observation describe(const PlannedPoint& point) const;

 private:
  [[nodiscard]] Observation measure_or_say_why_not(const PlannedPoint& point);
  void check_device(const Observation& observation) const;
  void make_and_measure(const PlannedPoint& point, Observation& observation);
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const PlannedPoint& point, int& sets);
  [[nodiscard]] std::unique_ptr<Clock> make_clock(const PlannedPoint& point, Trial& trial);
  void sample_and_verify(const PlannedPoint& point, Trial& trial, int sets,
                         Observation& observation);
  void warm_up_device(const PlannedPoint& point);
  [[nodiscard]] std::vector<TimedPart> time_parts(Trial& trial, Clock& clock, int sets,
                                                  const Observation& observation);
  void record(const std::vector<TimedPart>& parts, const PlannedPoint& point,
              Observation& observation) const;
  void time_single_calls(const PlannedPoint& point, Trial& trial, Observation& observation);
  [[nodiscard]] int ranks_of_this_host() const;
  void verify(const PlannedPoint& point, Trial& trial, Observation& observation);
  void check_possible(const PlannedPoint& point, const Result& result) const;
  void begin_step(const char* name, Activity::Limit limit, Seconds allowed = Seconds{0});
  void record(const Sampling& sampling, const SetRotation& rotation,
              Observation& observation) const;
  [[nodiscard]] SamplerOptions options_for(const PlannedPoint& point) const;

  ControlPlane& world_;
  Setup setup_;
  CallEstimate estimate_;
  bool device_is_warm_ = false;
};

}  // namespace moecal::bench
