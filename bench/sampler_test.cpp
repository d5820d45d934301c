// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "bench/testing/fake_measurement.hpp"
#include "core/statistics.hpp"

namespace moecal::bench {
namespace {

TEST(Sampler, ReturnsTheTimeOfADeviceWithoutNoiseExactly) {
  const auto sampling = FakeMeasurement{{.median_s = 200e-6}}.run();
  EXPECT_EQ(sampling.samples_s.size(), 9U);  // the fewest that the half-width is believed with
  for (const double sample : sampling.samples_s) EXPECT_NEAR(sample, 200e-6, 1e-12);
  EXPECT_EQ(sampling.batch, 1);
  EXPECT_EQ(sampling.timer, "fake");
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

TEST(Sampler, BatchesLaunchesThatAreShorterThanASampleMayBe) {
  const auto sampling = FakeMeasurement{{.median_s = 1e-6}}.run();
  EXPECT_GE(static_cast<double>(sampling.batch) * 1e-6, 100e-6);
  EXPECT_LE(static_cast<double>(sampling.batch) * 1e-6, 200e-6);
  EXPECT_NEAR(median(sampling.samples_s), 1e-6, 1e-12);
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
}  // namespace
}  // namespace moecal::bench
