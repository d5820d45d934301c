// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/point_measurer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "bench/agreement.hpp"
#include "bench/testing/fake_benchmark.hpp"
#include "bench/testing/fake_ranks.hpp"

namespace moecal::bench {
namespace {

using testing::HasSubstr;

// Measures one point of a fake operation with a fake clock.
struct FakePoint {
  FakePoint() {
    setup.machine.memory = Bytes{1e9};
    setup.machine.last_level_cache = Bytes{10e3};
    setup.make_clock = [this](const Implementation&) { return std::make_unique<FakeClock>(time); };
  }
  Observation measure(FakeBenchmark::MakeTrial make) {
    const FakeBenchmark benchmark{std::move(make)};
    const auto world = make_single_rank_plane();
    return PointMeasurer{*world, setup}.measure({&benchmark, {"fake", "cpu"}, {}, cache});
  }
  // The same with a trial that `change` was done to.
  Observation measure_changed(const std::function<void(FakeTrial&)>& change) {
    return measure([&] {
      auto trial = std::make_unique<FakeTrial>(time, FakeDevice{});
      change(*trial);
      return trial;
    });
  }
  FakeTime time;
  PointMeasurer::Setup setup;
  CachePolicy cache = CachePolicy::warm;
};

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

TEST(PointMeasurer, SkipsWhatTakesOverHalfTheMemoryBeforeMakingIt) {
  const auto o =
      FakePoint{}.measure_changed([](FakeTrial& trial) { trial.footprint_ = Bytes{0.6e9}; });
  EXPECT_EQ(o.outcome, Outcome::skipped);
  EXPECT_EQ(o.reason, "its buffers take 0.559 GiB, over half of the memory (0.931 GiB)");
}

TEST(PointMeasurer, MakesEnoughSetsForAColdCache) {
  FakePoint point;
  point.cache = CachePolicy::cold;
  const auto o = point.measure_changed([](FakeTrial&) {});
  EXPECT_EQ(o.outcome, Outcome::measured);
  EXPECT_EQ(o.policy.cache, "cold");
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

Card known_card() {
  Card card;
  card.peak["bf16"] = {FlopsPerSecond{1e12}, "test"};
  card.memory_bandwidth = Nominal<BytesPerSecond>{BytesPerSecond{1e9}, "test"};
  return card;
}

Observation result(double flops, double bytes, double seconds) {
  Observation o;
  o.dtypes.a = "bf16";
  o.work.flops = Flops{flops};
  o.work.read = Bytes{bytes};
  o.samples_s = {seconds};
  return o;
}

std::string why_impossible(const Observation& observation) {
  try {
    check_possible(observation, known_card(), Bytes{100});
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Limits, RefusesWhatTheCardCannotDo) {
  EXPECT_EQ(why_impossible(result(1.01e12, 0, 1)), "");
  EXPECT_EQ(why_impossible(result(1.03e12, 0, 1)),
            "impossible result: 1.03 TFLOP/s is over the card's dense bf16 peak of 1 TFLOP/s; the "
            "clock or the counted work is wrong");
  EXPECT_EQ(why_impossible(result(0, 1.01e9, 1)), "");
  EXPECT_THAT(why_impossible(result(0, 1.03e9, 1)), HasSubstr("memory bandwidth"));
  EXPECT_EQ(why_impossible(result(0, 399, 1e-9)), "");  // what stays in the cache is not limited
  auto other = result(1e15, 0, 1);
  other.dtypes.a = "f32";  // no figure known: no limit
  EXPECT_EQ(why_impossible(other), "");
}

TEST(Limits, EstimatesLongCallsFromLongCallsOnly) {
  CallEstimate estimate;
  const auto huge = result(1e12, 0, 1);
  estimate.learn(result(1e6, 0, 1e-3));  // overhead: says nothing
  EXPECT_NO_THROW(estimate.check(huge, Seconds{2}));
  estimate.learn(result(1e10, 0, 0.1));  // 1e11 FLOP/s: ten seconds
  try {
    estimate.check(huge, Seconds{2});
    FAIL() << "a call of ten seconds was allowed";
  } catch (const Unsupported& error) {
    EXPECT_STREQ(
        error.what(),
        "one call is estimated to take 10 s, from the best rate of this run; points over 2 "
        "s a call are skipped");
  }
  estimate.learn(result(1e10, 0, 0.01));
  EXPECT_NO_THROW(estimate.check(huge, Seconds{2}));
}

TEST(PointMeasurer, FailsAnImpossibleResult) {
  FakePoint point;
  point.setup.card = known_card();
  FakeBenchmark benchmark{[&] { return std::make_unique<FakeTrial>(point.time, FakeDevice{}); }};
  benchmark.work_.flops = Flops{1e12};
  const auto world = make_single_rank_plane();
  Case c;
  c.dtypes.a = "bf16";
  const auto o = PointMeasurer{*world, point.setup}.measure(
      {&benchmark, {"fake", "cpu"}, c, CachePolicy::warm});
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_THAT(o.reason, HasSubstr("impossible result"));
}

// Ranks 0, 1, 2 spend 5, 2 and 9 ms in each call: rank 1 came last and waited for nobody.
TEST(PointMeasurer, TellsTransferFromSkewAndNamesTheLateRank) {
  std::array<Observation, 3> observations;
  FakeRanks{3}.run([&](ControlPlane& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    FakePoint point;
    const FakeDevice device{.median_s = std::array<double, 3>{5e-3, 2e-3, 9e-3}[rank]};
    const FakeBenchmark benchmark{[&] { return std::make_unique<FakeTrial>(point.time, device); }};
    observations[rank] = PointMeasurer{world, point.setup}.measure(
        {&benchmark, {"fake", "mpi"}, {}, CachePolicy::warm});
  });
  for (const auto& o : observations) {
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    EXPECT_NEAR(o.seconds(), 9e-3, 1e-9);
    EXPECT_EQ(o.sample.iterations_per_sample, 20);
    ASSERT_EQ(o.skew_s.size(), 20U);
    EXPECT_NEAR(o.transfer_s[0], 2e-3, 1e-9);
    EXPECT_NEAR(o.skew_s[0], 7e-3, 1e-9);
    EXPECT_EQ(o.late_rank, std::vector<int>(20, 1));
  }
}

TEST(Agreement, ThrowsOnEveryRankWhatTheLowestFailingRankSaid) {
  std::array<std::string, 4> said;
  FakeRanks{4}.run([&](ControlPlane& world) {
    try {
      on_every_rank(world, [&] {
        if (world.rank() == 0) throw Unsupported{"no such type"};
        if (world.rank() >= 2) throw Error{"rank " + std::to_string(world.rank()) + " broke"};
      });
    } catch (const Unsupported&) {
      said[static_cast<std::size_t>(world.rank())] = "unsupported";
    } catch (const Error& error) {
      said[static_cast<std::size_t>(world.rank())] = error.what();
    }
  });
  for (const auto& text : said) EXPECT_EQ(text, "rank 2: rank 2 broke");
}

TEST(Agreement, PassesWhenEveryRankDoes) {
  FakeRanks{3}.run([](ControlPlane& world) { EXPECT_NO_THROW(on_every_rank(world, [] {})); });
}

TEST(Agreement, KeepsTheKindOfAFailure) {
  const auto alone = make_single_rank_plane();
  EXPECT_THROW(on_every_rank(*alone, [] { throw Unsupported{"x"}; }), Unsupported);
  EXPECT_THROW(on_every_rank(*alone, [] { throw InvalidInput{"x"}; }), InvalidInput);
}

}  // namespace
}  // namespace moecal::bench
