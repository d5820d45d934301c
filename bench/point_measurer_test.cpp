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
