// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/point_measurer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "bench/testing/fake_point.hpp"
#include "bench/testing/fake_world.hpp"
#include "runtime/device_health.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::bench {
namespace {

using ::testing::HasSubstr;

TEST(PointMeasurer, RecordsSamplesPolicyAndVerification) {
  const auto o = FakePoint{}.measure_changed([](FakeTrial&) {});
  EXPECT_EQ(o.outcome, Outcome::measured);
  EXPECT_EQ(o.samples_s.size(), o.flags.outlier.size());
  EXPECT_EQ(o.policy.cache, "warm");
  EXPECT_GT(o.policy.warmup, 0);
  EXPECT_EQ(o.verification.method, "full");
  EXPECT_EQ(o.library.name, "fake");
  EXPECT_EQ(o.sample.timer, "fake");
}

TEST(PointMeasurer, FailsAWrongResultAndKeepsItsSamples) {
  const auto o = FakePoint{}.measure_changed([](FakeTrial& trial) {
    trial.verification = {0.5, 0.1, "full"};
  });
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_EQ(o.reason, "verification failed: relative error 0.5 is over 0.1 (full)");
  EXPECT_FALSE(o.samples_s.empty());
}

TEST(PointMeasurer, FailsAResultThatIsNotANumberAndCanStillWriteIt) {
  const auto o = FakePoint{}.measure_changed([](FakeTrial& trial) {
    trial.verification = {std::nan(""), 0.1, "full"};
  });
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_TRUE(std::isfinite(o.verification.max_rel_error));
}

TEST(PointMeasurer, SkipsWhatTheMachineCannotDo) {
  const auto o = FakePoint{}.measure(
      []() -> std::unique_ptr<Trial> { throw Unsupported{"f16 is not supported on this CPU"}; });
  EXPECT_EQ(o.outcome, Outcome::skipped);
  EXPECT_EQ(o.reason, "f16 is not supported on this CPU");
}

TEST(PointMeasurer, FailsWhatThrowsOtherwise) {
  const auto o = FakePoint{}.measure([]() -> std::unique_ptr<Trial> { throw std::bad_alloc{}; });
  EXPECT_EQ(o.outcome, Outcome::failed);
}

// A fault may come late, or hide behind a library that then says it cannot do the point.
TEST(PointMeasurer, AsksTheDeviceAfterEveryPoint) {
  FakePoint point;
  bool lost = false;
  point.setup.check_device = [&] {
    if (lost) throw DeviceLost{"no work any more"};
  };
  EXPECT_EQ(point.measure_changed([](FakeTrial&) {}).outcome, Outcome::measured);
  lost = true;
  EXPECT_THROW(point.measure_changed([](FakeTrial&) {}), DeviceLost);
  EXPECT_EQ(
      thrown_message([&] {
        (void)point.measure([]() -> std::unique_ptr<Trial> { throw Unsupported{"no algorithm"}; });
      }),
      "no algorithm; no work any more");
}

TEST(PointMeasurer, SkipsWhatTakesOverHalfTheMemoryBeforeMakingIt) {
  const auto o =
      FakePoint{}.measure_changed([](FakeTrial& trial) { trial.footprint_ = Bytes{0.6e9}; });
  EXPECT_EQ(o.outcome, Outcome::skipped);
  EXPECT_EQ(o.reason,
            "its buffers take 0.559 GiB, over half of the host's memory (0.931 GiB; where it has "
            "more, MOECAL_HOST_MEMORY=BYTES says so)");
}

TEST(PointMeasurer, SkipsWhatTakesOverHalfTheHostsMemory) {
  FakePoint point;
  point.setup.machine.host_memory = Bytes{2e9};
  const auto too_much = point.measure_changed([](FakeTrial& t) { t.host_memory_ = Bytes{1.1e9}; });
  EXPECT_EQ(too_much.outcome, Outcome::skipped);
  EXPECT_EQ(too_much.reason,
            "its buffers take 1.02 GiB, over half of the host's memory (1.86 GiB; where it has "
            "more, MOECAL_HOST_MEMORY=BYTES says so)");
  const auto fits = point.measure_changed([](FakeTrial& t) { t.host_memory_ = Bytes{0.9e9}; });
  EXPECT_EQ(fits.outcome, Outcome::measured) << fits.reason;
}

TEST(PointMeasurer, MakesEnoughSetsForAColdCache) {
  FakePoint point;
  point.cache = CachePolicy::cold;
  const auto o = point.measure_changed([](FakeTrial&) {});
  EXPECT_EQ(o.outcome, Outcome::measured);
  EXPECT_EQ(o.policy.cache, "cold");
  EXPECT_EQ(o.sample.buffer_sets, 20);  // of 1 KiB over twice a cache of 10 kB
  EXPECT_EQ(o.sample.touched_sets, 20);
  EXPECT_EQ(o.sample.fill, "nothing");
}

TEST(PointMeasurer, RefusesColdWhereLaunchesWroteToAnotherSet) {
  FakePoint point;
  point.cache = CachePolicy::cold;
  const auto change = [](FakeTrial& trial) { trial.writes_all_to_first = true; };
  const auto refused = point.measure_changed(change);
  EXPECT_EQ(refused.outcome, Outcome::failed);
  EXPECT_EQ(refused.reason,
            "the cache was not cold: buffer set 1 of 20 holds no result: its launches wrote "
            "elsewhere, or nothing");
  EXPECT_EQ(refused.sample.touched_sets, 20) << "the host launched on all of them";
  point.cache = CachePolicy::warm;
  EXPECT_EQ(point.measure_changed(change).outcome, Outcome::measured);
}

TEST(PointMeasurer, RefusesColdWhereNothingProvesIt) {
  FakePoint point;
  point.cache = CachePolicy::cold;
  const auto without = [](FakeTrial& trial) { trial.has_results = false; };
  const auto o = point.measure_changed(without);
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_EQ(o.reason,
            "the cache was not cold: buffer set 0 of 20 has no result that could show whether it "
            "was written");
  const auto shared = point.measure_changed([](FakeTrial& trial) { trial.shares_results = true; });
  EXPECT_EQ(shared.outcome, Outcome::failed);
  EXPECT_EQ(shared.reason,
            "the cache was not cold: buffer set 1 of 20 shares its result's memory with set 0");
  point.cache = CachePolicy::warm;
  EXPECT_EQ(point.measure_changed(without).outcome, Outcome::measured);
}

TEST(PointMeasurer, RecordsFigures) {
  const auto o = FakePoint{}.measure_changed([](FakeTrial& trial) {
    trial.own_figures = {{"event_resolution_s", 5e-7}};
  });
  EXPECT_EQ(o.figures, (std::map<std::string, double>{{"event_resolution_s", 5e-7}}));
}

TEST(PointMeasurer, RefusesARoutingTableThatAllSamplesShare) {
  FakePoint point;
  FakeBenchmark benchmark{[&] { return std::make_unique<FakeTrial>(point.time, FakeDevice{}); }};
  Case routed;
  routed.routed = true;
  const auto world = make_single_rank_plane();
  PointMeasurer measurer{*world, point.setup};
  const auto shared = measurer.measure({&benchmark, {"fake", "cpu"}, routed, CachePolicy::warm});
  EXPECT_EQ(shared.outcome, Outcome::failed);
  EXPECT_EQ(shared.reason,
            "the samples share one routing table: the trial of fake does not redraw");
  routed.routing.distribution = "balanced";
  EXPECT_EQ(measurer.measure({&benchmark, {"fake", "cpu"}, routed, CachePolicy::warm}).outcome,
            Outcome::measured)
      << "there is one balanced table";
  routed.routing.distribution = "uniform";
  FakeBenchmark drawing{[&] {
    auto trial = std::make_unique<FakeTrial>(point.time, FakeDevice{});
    trial->routes = true;
    return trial;
  }};
  const auto own = measurer.measure({&drawing, {"fake", "cpu"}, routed, CachePolicy::warm});
  EXPECT_EQ(own.outcome, Outcome::measured) << own.reason;
  EXPECT_EQ(own.sample.routing_draws, static_cast<std::int64_t>(own.samples_s.size()));
}

TEST(PointMeasurer, SaysHowManyTablesSamplesShareThatKeepTheirs) {
  for (const auto cache : {CachePolicy::warm, CachePolicy::cold}) {
    FakePoint point;
    point.cache = cache;
    const auto o = point.measure_changed([](FakeTrial& trial) { trial.keeps = true; });
    EXPECT_EQ(o.sample.routing_draws, cache == CachePolicy::warm ? 1 : 20);
  }
}

TEST(PointMeasurer, RefusesToCallColdWhatDidNotTouchEverySet) {
  FakePoint point;
  point.cache = CachePolicy::cold;
  point.setup.sampler.largest_batch = 1;
  point.setup.machine.last_level_cache = Bytes{400e3};
  const auto o = point.measure_changed([](FakeTrial&) {});
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_THAT(o.reason, HasSubstr("the cache was not cold: buffer set"));
}

TEST(PointMeasurer, FlagsOutliersAndKeepsThem) {
  FakePoint point;
  const FakeDevice spiky{.noise = 0.05, .spike_chance = 0.03};
  const auto spiked = point.measure([&] { return std::make_unique<FakeTrial>(point.time, spiky); });
  int flagged = 0;
  for (std::size_t i = 0; i < spiked.samples_s.size(); ++i) {
    EXPECT_EQ(spiked.flags.outlier[i],
              spiked.samples_s[i] > 500e-6 || spiked.samples_s[i] < 140e-6);
    flagged += spiked.flags.outlier[i];
  }
  EXPECT_GT(flagged, 0);
}

TEST(PointMeasurer, FailsAnImpossibleResult) {
  FakePoint point;
  Card card;
  card.peak["bf16"] = {FlopsPerSecond{1e9}, "test"};
  point.setup.card = card;
  FakeBenchmark benchmark{[&] { return std::make_unique<FakeTrial>(point.time, FakeDevice{}); }};
  const auto world = make_single_rank_plane();
  Case c;
  c.dtypes.a = "bf16";
  const auto o = PointMeasurer{*world, point.setup}.measure(
      {&benchmark, {"fake", "cpu"}, c, CachePolicy::warm, {.flops = Flops{1e12}}});
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_THAT(o.reason, HasSubstr("impossible result"));
}

// Algorithms are chosen by their times when a trial is made.
TEST(PointMeasurer, WarmsTheDeviceUpOnceBeforeTheFirstTrialIsMade) {
  FakePoint point;
  std::string order;
  point.setup.warm_up_device = [&] { order += "warm "; };
  const FakeBenchmark benchmark{[&] {
    order += "make ";
    return std::make_unique<FakeTrial>(point.time, FakeDevice{});
  }};
  const auto world = make_single_rank_plane();
  PointMeasurer measurer{*world, point.setup};
  (void)measurer.measure(
      {&benchmark, {.name = "adam", .backend = "cpu", .of_host = true}, {}, CachePolicy::warm});
  for (int i = 0; i < 2; ++i)
    (void)measurer.measure({&benchmark, {"fake", "cpu"}, {}, CachePolicy::warm});
  EXPECT_EQ(order, "make warm make make ") << "the host's own work waits for no device";
}

// Groups {0, 2} and {1, 3}; the second is ten times slower, and nobody in either is late by more
// than rank 2 is.
TEST(PointMeasurer, KeepsGroupsThatRunAtOnceApart) {
  struct Grouped : FakeTrial {
    using FakeTrial::FakeTrial;
    [[nodiscard]] int group() const override { return group_; }
    int group_ = 0;
  };
  const std::array<double, 4> seconds{3e-3, 20e-3, 2e-3, 20.5e-3};
  const auto observations = FakeWorld{}.measure<4>([&](ControlPlane& world, FakePoint& point) {
    const auto rank = static_cast<std::size_t>(world.rank());
    auto trial = std::make_unique<Grouped>(point.time, FakeDevice{.median_s = seconds[rank]});
    trial->group_ = world.rank() % 2;
    return trial;
  });
  for (const auto& o : observations) {
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    EXPECT_NEAR(o.transfer_s[0], 20e-3, 1e-9);
    EXPECT_NEAR(o.skew_s[0], 1e-3, 1e-9);
    EXPECT_EQ(o.late_rank[0], 2);
    EXPECT_NEAR(o.call_s[0], 20.5e-3, 1e-9);
  }
}

TEST(PointMeasurer, RecordsWhatTheRanksOfAnExchangeHad) {
  FakePoint point;
  const ExchangedBytes bytes{{3, 5}, {8, 0}};
  const auto o = point.measure([&] {
    auto trial = std::make_unique<FakeTrial>(point.time, FakeDevice{.median_s = 1e-3});
    trial->bytes_of_ranks = bytes;
    return trial;
  });
  EXPECT_EQ(o.exchanged, bytes);
}
}  // namespace
}  // namespace moecal::bench
