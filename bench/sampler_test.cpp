// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "bench/testing/fake_trial.hpp"
#include "core/statistics.hpp"
#include "tests/thread_plane.hpp"

namespace moecal::bench {
namespace {

// Samples a fake device alone.
struct FakeMeasurement {
  explicit FakeMeasurement(const FakeDevice& device, int sets = 1)
      : trial{time, device}, rotation{sets} {}
  Sampling run(SamplerOptions options = {}, const DeviceWatch& watch = {}) {
    const auto world = make_single_rank_plane();
    FakeClock clock{time};
    options.wall = [this] { return time.now_s; };
    return Sampler{clock, *world, options, watch}.run(trial, rotation);
  }
  FakeTime time;
  FakeTrial trial;
  SetRotation rotation;
};

TEST(Sampler, ReturnsTheTimeOfADeviceWithoutNoiseExactly) {
  const auto sampling = FakeMeasurement{{.median_s = 200e-6}}.run();
  EXPECT_EQ(sampling.samples_s.size(), 9U);  // the fewest that the half-width is believed with
  for (const double sample : sampling.samples_s) EXPECT_NEAR(sample, 200e-6, 1e-12);
  EXPECT_EQ(sampling.batch, 1);
  EXPECT_EQ(sampling.timer, "fake");
}

// A trace of a device that is held back while it takes the third and fourth sample.
TEST(Sampler, FlagsTheSamplesThatWereTakenWhileTheDeviceWasHeldBack) {
  int asked = 0;
  const DeviceWatch watch{[&] {
    ++asked;
    return NvmlReading{.throttle_reasons = asked == 3 || asked == 4 ? 0x40 : 0x1};
  }};
  const auto sampling = FakeMeasurement{{}}.run({}, watch);
  ASSERT_EQ(sampling.throttled.size(), sampling.samples_s.size());
  for (std::size_t i = 0; i < sampling.throttled.size(); ++i)
    EXPECT_EQ(sampling.throttled[i], i == 2 || i == 3);
}

// What one reading hides is not told of any sample: the values could not be told apart.
TEST(Sampler, LeavesOutWhatOneReadingHid) {
  int asked = 0;
  const DeviceWatch watch{[&] {
    const bool hides = ++asked == 3;
    NvmlReading reading{.power_w = 100.0 + asked};
    if (!hides) reading.temperature_c = 50;
    if (!hides) reading.throttle_reasons = 0x40;
    return reading;
  }};
  const auto sampling = FakeMeasurement{{}}.run({}, watch);
  EXPECT_EQ(sampling.device.power_w.size(), sampling.samples_s.size());
  EXPECT_TRUE(sampling.device.temperature_c.empty());
  EXPECT_TRUE(sampling.device.throttle_reasons.empty());
  EXPECT_TRUE(sampling.throttled.empty());
}

TEST(Sampler, AsksTheDeviceWhileABatchRunsIfTheClockWaitsForIt) {
  int asked = 0;
  DeviceWatch watch{[&] {
    ++asked;
    return NvmlReading{.power_w = 100.0 + asked};
  }};
  watch.begin_batch();
  watch.look();
  watch.look();
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(watch.of_batch().power_w, 101);
  watch.begin_batch();
  EXPECT_EQ(watch.of_batch().power_w, 102);
  EXPECT_FALSE(DeviceWatch{}.sees());
}

TEST(Sampler, AsksASlowDriverNoMoreThanAFifthOfTheTime) {
  double now_s = 0, took_s = 1e-3;
  int asked = 0;
  DeviceWatch watch{[&] {
                      now_s += took_s;
                      return NvmlReading{.power_w = 100.0 + ++asked};
                    },
                    {},
                    [&] { return Seconds{now_s}; }};
  const auto readings_of = [&](int batches, double batch_s) {
    asked = 0;
    for (int i = 0; i < batches; ++i) {
      watch.begin_batch();
      const auto power = watch.of_batch().power_w;
      EXPECT_EQ(power, 100.0 + asked);
      now_s += batch_s;
    }
    return asked;
  };
  EXPECT_EQ(readings_of(16, 0.25e-3), 1);
  now_s += 1;
  EXPECT_EQ(readings_of(18, 0.25e-3), 2) << "for 4 ms an answer stands";
  now_s += 1;
  took_s = 10e-3;
  EXPECT_EQ(readings_of(10, 1e-3), 2) << "and never longer than 5";
  now_s += 1;
  took_s = 10e-6;
  EXPECT_EQ(readings_of(10, 0.25e-3), 10) << "a quick one for its batch";
}

TEST(Sampler, AsksTheDeviceOfSamplesOnly) {
  int asked = 0;
  const DeviceWatch watch{[&] { return NvmlReading{.power_w = 100.0 + ++asked}; }};
  const auto sampling = FakeMeasurement{{}}.run({}, watch);
  EXPECT_EQ(static_cast<std::size_t>(asked), sampling.samples_s.size());
}

// What each launch found in its set: the number of the last draw before it.
TEST(Sampler, LetsNoTwoSamplesShareARoutingTable) {
  struct Routed : FakeTrial {
    using FakeTrial::FakeTrial;
    void launch(int set, Stream stream) override {
      tables.push_back(table_of.at(static_cast<std::size_t>(set)));
      FakeTrial::launch(set, stream);
    }
    [[nodiscard]] bool redraw(int set, std::int64_t draw) override {
      table_of.at(static_cast<std::size_t>(set)) = draw;
      return true;
    }
    std::vector<std::int64_t> table_of, tables;
  };
  for (const int sets : {1, 4, 50}) {
    SCOPED_TRACE(sets);
    FakeTime time;
    Routed trial{time, {.median_s = 30e-6}};
    for (int set = 0; set < sets; ++set) trial.table_of.push_back(set);
    SetRotation rotation{sets};
    FakeClock clock{time};
    const auto world = make_single_rank_plane();
    const auto sampling = Sampler{clock, *world, {}}.run(trial, rotation);
    std::set<std::int64_t> seen;
    auto launch = trial.tables.begin() + sampling.warmup;
    for (std::size_t sample = 0; sample < sampling.samples_s.size(); ++sample) {
      const std::set<std::int64_t> own{launch, launch + sampling.batch};
      EXPECT_EQ(own.size(), static_cast<std::size_t>(std::min<std::int64_t>(sets, sampling.batch)));
      for (const auto table : own) EXPECT_TRUE(seen.insert(table).second) << "sample " << sample;
      launch += sampling.batch;
    }
    EXPECT_EQ(trial.tables.back(), trial.table_of[0]) << "what verify() compares is of this table";
    EXPECT_GT(sampling.routing_draws, sets);
  }
}

// A noisy device, and a host that takes 0.4 s to draw anew for each sample.
Sampling slowly_drawn(double deadline) {
  struct SlowlyDrawn : FakeTrial {
    SlowlyDrawn(FakeTime& wall, FakeTime& device)
        : FakeTrial{device, {.median_s = 200e-6, .noise = 0.3}}, wall_{wall} {}
    [[nodiscard]] bool redraw(int, std::int64_t) override {
      wall_.now_s += 0.4;
      return true;
    }
    FakeTime& wall_;
  };
  FakeTime wall, device;
  SlowlyDrawn trial{wall, device};
  SetRotation rotation{1};
  FakeClock clock{device};
  const auto world = make_single_rank_plane();
  SamplerOptions options{.stop = {.budget = Seconds{0.2}}};
  options.wall = [&] { return wall.now_s + device.now_s; };
  options.deadline = deadline;
  auto sampling = Sampler{clock, *world, options}.run(trial, rotation);
  EXPECT_LE(wall.now_s, 1.2);
  return sampling;
}

TEST(Sampler, BoundsWhatAPointTakesByTheWall) {
  const auto sampling = slowly_drawn(std::numeric_limits<double>::infinity());
  EXPECT_EQ(sampling.stopped_by, "wall_time");
  EXPECT_EQ(sampling.samples_s.size(), 3U) << "0.6 s by the wall, and the fewest all the same";
  EXPECT_EQ(FakeMeasurement{{}}.run().stopped_by, "half_width");
}

TEST(Sampler, TakesTheFewestSamplesOnceTheTimeLimitIsOver) {
  const auto sampling = slowly_drawn(0.3);
  EXPECT_EQ(sampling.stopped_by, "time_limit");
  EXPECT_EQ(sampling.samples_s.size(), 3U);
}

TEST(Sampler, DrawsNothingWhereNothingIsRouted) {
  FakeMeasurement measurement{{}};
  EXPECT_EQ(measurement.run().routing_draws, 0);
  EXPECT_TRUE(measurement.trial.drawn.empty());
}

// A device of 500 W, counted in steps as NVML does.
TEST(Sampler, MeasuresTheEnergyOfALaunchOverASecond) {
  SamplerOptions options;
  options.energy_loop = Seconds{1};
  FakeMeasurement measurement{{.median_s = 200e-6}};
  const DeviceWatch watch{
      [&] { return NvmlReading{.energy_j = std::floor(measurement.time.now_s * 500 / 20) * 20}; }};
  const auto sampling = measurement.run(options, watch);
  EXPECT_GE(sampling.device.energy_loop_s, 1);
  EXPECT_NEAR(sampling.device.energy_j, 0.1, 0.1 * 0.04);
  EXPECT_EQ(measurement.run({}, watch).device.energy_j, 0) << "not asked for";
}

TEST(Sampler, MeasuresNoEnergyWhereNobodyCountsIt) {
  SamplerOptions options;
  options.energy_loop = Seconds{1};
  FakeMeasurement measurement{{}};
  const auto sampling = measurement.run(options, DeviceWatch{[] { return NvmlReading{}; }});
  EXPECT_EQ(sampling.device.energy_loop_s, 0);
  EXPECT_LT(measurement.time.now_s, 1);
}

TEST(Sampler, BatchesLaunchesThatAreShorterThanASampleMayBe) {
  const auto sampling = FakeMeasurement{{.median_s = 1e-6}}.run();
  EXPECT_GE(static_cast<double>(sampling.batch) * 1e-6, 100e-6);
  EXPECT_LE(static_cast<double>(sampling.batch) * 1e-6, 200e-6);
  EXPECT_NEAR(median(sampling.samples_s), 1e-6, 1e-12);
}

TEST(Sampler, MakesBatchesLongBesideWhatRanksTakeToAgree) {
  const auto batch_s = [](Seconds agreement, bool in_step = true) {
    const SamplerOptions options{.stop = {}, .agreement = agreement, .in_step = in_step};
    const auto sampling = FakeMeasurement{{.median_s = 10e-6}}.run(options);
    return 10e-6 * static_cast<double>(sampling.batch);
  };
  EXPECT_GE(batch_s(Seconds{100e-6}), 5e-3);
  EXPECT_LT(batch_s(Seconds{100e-6}), 10e-3);
  EXPECT_GE(batch_s(Seconds{100e-6}, false), 10e-3);
  EXPECT_LT(batch_s(Seconds{100e-6}, false), 20e-3);
  // However slow they are to agree, about nine batches fit into the budget of 0.5 s.
  EXPECT_LT(batch_s(Seconds{1}), 1.3 * 0.5 / 9);
}

/// A clock that counts how often ranks would have to tell one another times.
class CountingClock final : public Clock {
 public:
  explicit CountingClock(FakeTime& time) : clock_{time} {}
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    return clock_.time(batch);
  }
  [[nodiscard]] std::vector<Seconds> time_each(const Batches& batches) override {
    ++messages;
    return Clock::time_each(batches);
  }
  [[nodiscard]] std::string name() const override { return "counting"; }
  int messages = 0;

 private:
  FakeClock clock_;
};

TEST(Sampler, HasRanksInStepTellTheTimesOfManyBatchesAtOnce) {
  const auto sampled = [](bool in_step) {
    FakeTime time;
    FakeTrial trial{time, {.noise = 0.03}};
    CountingClock clock{time};
    SetRotation rotation{1};
    const auto world = make_single_rank_plane();
    const auto sampling =
        Sampler{clock, *world, {.stop = {}, .in_step = in_step}}.run(trial, rotation);
    return std::pair{clock.messages, sampling.samples_s.size()};
  };
  const auto [together, samples] = sampled(true);
  const auto [apart, as_many] = sampled(false);
  EXPECT_EQ(samples, as_many) << "the stop rule is asked where it may say stop";
  EXPECT_GE(samples, 9U);
  EXPECT_GE(apart - together, static_cast<int>(samples) / 2);
  EXPECT_LE(together, 15) << "most of them choose the batch";
}

TEST(Sampler, KeepsCollectivesInBatchesOfAtLeastTheSmallestAskedFor) {
  SamplerOptions options;
  options.smallest_batch = 20;
  EXPECT_EQ(FakeMeasurement{{.median_s = 1e-3}}.run(options).batch, 20);
  EXPECT_EQ(FakeMeasurement{{.median_s = 9e-3}}.run(options).batch, 3);
  options.agreement = Seconds{9e-3};  // ranks may start that far apart: no call is long beside it
  EXPECT_GE(FakeMeasurement{{.median_s = 9e-3}}.run(options).batch, 20);
}

TEST(Sampler, TakesNoSampleUntilTheDeviceIsWarm) {
  const FakeDevice device{.median_s = 1e-3, .cold_start_s = 0.5, .warm_up_s = 5e-3};
  const auto sampling = FakeMeasurement{device}.run();
  EXPECT_GE(sampling.warmup, 7);
  EXPECT_NEAR(sampling.samples_s.front(), 1e-3, 0.1e-3);
}

TEST(Sampler, StopsWhenTheTimeIsUsedUpHoweverNoisyTheDevice) {
  SamplerOptions options;
  options.stop.budget = Seconds{0.05};
  const auto sampling = FakeMeasurement{{.median_s = 1e-3, .noise = 0.3}}.run(options);
  EXPECT_NEAR(static_cast<double>(sampling.samples_s.size()), 50, 10);
}

TEST(Sampler, TakesAFewSamplesOfAPointSlowerThanTheBudget) {
  SamplerOptions options;
  options.stop.budget = Seconds{0.05};
  EXPECT_EQ(FakeMeasurement{{.median_s = 0.5}}.run(options).samples_s.size(), 3U);
}

TEST(Sampler, SkipsAPointThatTakesTooLongWithTheTimeItTook) {
  try {
    (void)FakeMeasurement{{.median_s = 3.0}}.run();
    FAIL() << "a call of 3 s was sampled";
  } catch (const Unsupported& error) {
    EXPECT_STREQ(error.what(),
                 "one call took 3.000000 s; points over 2.000000 s a call are skipped");
  }
}

TEST(Sampler, LaunchesOnEverySetInTurn) {
  FakeMeasurement measurement{{.median_s = 200e-6}, 50};
  const auto sampling = measurement.run();
  EXPECT_EQ(measurement.rotation.untouched(), -1);
  EXPECT_EQ(sampling.touched_sets, 50);
  const auto& sets = measurement.trial.launched_sets;
  for (std::size_t i = 0; i < sets.size(); ++i) EXPECT_EQ(sets[i], static_cast<int>(i % 50));
  EXPECT_GE(sampling.batch * static_cast<std::int64_t>(sampling.samples_s.size()), 50);
}

TEST(Sampler, LeavesTheRecordOfASetItDidNotReach) {
  SamplerOptions options;
  options.largest_batch = 1;
  FakeMeasurement measurement{{.median_s = 200e-6}, 50};
  const auto sampling = measurement.run(options);
  EXPECT_GE(measurement.rotation.untouched(), 0);
  EXPECT_EQ(sampling.touched_sets, static_cast<int>(sampling.samples_s.size()));
}

TEST(Sampler, EndsBetweenBatchesWhenInterrupted) {
  SamplerOptions options;
  options.interrupted = [] { return true; };
  EXPECT_THROW((void)FakeMeasurement{{}}.run(options), Interrupted);
}

TEST(Sampler, LetsAFailedLaunchThroughWhenAlone) {
  struct Failing : FakeTrial {
    using FakeTrial::FakeTrial;
    void launch(int, Stream) override { throw Error{"no"}; }
  };
  FakeTime time;
  Failing trial{time, {}};
  SetRotation rotation{1};
  FakeClock clock{time};
  const auto world = make_single_rank_plane();
  EXPECT_THROW((void)(Sampler{clock, *world, {}}.run(trial, rotation)), Error);
}

// The median is what a sample means: it must come back within the half-width that is stated for it,
// about as often as is stated, with noise and with spikes.
class SamplerCoverage : public ::testing::TestWithParam<FakeDevice> {};

TEST_P(SamplerCoverage, StatedIntervalCoversTheTruthAtItsRate) {
  constexpr int kRuns = 1000;
  int covered = 0;
  double worst = 0;
  for (int seed = 1; seed <= kRuns; ++seed) {
    FakeDevice device = GetParam();
    device.seed = static_cast<std::uint64_t>(seed);
    const auto sampling = FakeMeasurement{device}.run();
    const double error = std::abs(median(sampling.samples_s) / device.median_s - 1);
    covered += error <= relative_median_half_width(sampling.samples_s, 0.95);
    worst = std::max(worst, error);
  }
  const double rate = static_cast<double>(covered) / kRuns;
  RecordProperty("rate", std::to_string(rate));
  EXPECT_GE(rate, 0.93);  // 0.95 is stated; looking repeatedly costs a little
  EXPECT_LE(rate, 0.99);
  EXPECT_LT(worst, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Devices, SamplerCoverage,
                         ::testing::Values(FakeDevice{.noise = 0.01}, FakeDevice{.noise = 0.03},
                                           FakeDevice{.noise = 0.1},
                                           FakeDevice{.noise = 0.03, .spike_chance = 0.02}));

class SamplerOfRanks : public ::testing::TestWithParam<double> {};  // seconds they take to agree

TEST_P(SamplerOfRanks, MakesRanksOfOneThreeTimesSlowerAgree) {
  constexpr int kRanks = 4;
  const SamplerOptions options{.stop = {}, .agreement = Seconds{GetParam()}};
  std::array<Sampling, kRanks> samplings;
  testing::agreeing_ranks(kRanks, [&](ControlPlane& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    FakeTime time;
    const double median_s = rank == 2 ? 600e-6 : 200e-6;
    FakeTrial trial{time, {.median_s = median_s, .noise = 0.02, .seed = rank + 1}};
    SetRotation rotation{1};
    const auto clock = make_slowest_rank_clock(std::make_unique<FakeClock>(time), world);
    samplings[rank] = Sampler{*clock, world, options}.run(trial, rotation);
  });
  for (const auto& sampling : samplings) {
    EXPECT_EQ(sampling.samples_s, samplings[0].samples_s);
    EXPECT_EQ(sampling.batch, samplings[0].batch);
    EXPECT_EQ(sampling.warmup, samplings[0].warmup);
  }
  EXPECT_NEAR(median(samplings[0].samples_s), 600e-6, 0.02 * 600e-6);
}

INSTANTIATE_TEST_SUITE_P(Agreement, SamplerOfRanks, ::testing::Values(0, 10e-6, 5e-3));

TEST(Sampler, KeepsRanksThatTakeNoPartInStep) {
  std::array<std::size_t, 3> samples{};
  std::array<std::size_t, 3> launches{};
  testing::agreeing_ranks(3, [&](ControlPlane& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    FakeTime time;
    FakeTrial trial{time, {}};
    trial.participates = rank != 1;
    SetRotation rotation{1};
    const auto clock = make_slowest_rank_clock(std::make_unique<FakeClock>(time), world);
    samples[rank] = Sampler{*clock, world, {}}.run(trial, rotation).samples_s.size();
    launches[rank] = trial.launched_sets.size();
  });
  EXPECT_EQ(samples[0], samples[1]);
  EXPECT_EQ(launches[1], 0U);
  EXPECT_GT(launches[0], 0U);
}

TEST(Sampler, EndsOnEveryRankWhenOneIsInterrupted) {
  std::array<bool, 3> ended{};
  testing::agreeing_ranks(3, [&](ControlPlane& world) {
    FakeTime time;
    FakeTrial trial{time, {}};
    SetRotation rotation{1};
    SamplerOptions options;
    options.interrupted = [&] { return world.rank() == 1; };
    const auto clock = make_slowest_rank_clock(std::make_unique<FakeClock>(time), world);
    try {
      (void)Sampler{*clock, world, options}.run(trial, rotation);
    } catch (const Interrupted&) {
      ended[static_cast<std::size_t>(world.rank())] = true;
    }
  });
  EXPECT_EQ(ended, (std::array<bool, 3>{true, true, true}));
}

}  // namespace
}  // namespace moecal::bench
