// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "bench/testing/fake_point.hpp"
#include "bench/testing/fake_world.hpp"

// What a point says of its parts, on one rank.
namespace moecal::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Of which a test decides the parts.
struct TrialOf final : FakeTrial {
  TrialOf(FakePoint& point, std::vector<Part> given)
      : FakeTrial{point.time, {.median_s = 1e-3}}, parts_{std::move(given)} {}
  [[nodiscard]] std::vector<Part> parts() override {
    for (auto& part : parts_)
      part.launch = [this, &time = time_of_parts_](int, Stream) {
        verification = {0, 0, "full"};  // they leave what the whole should have left
        time->now_s += 1e-3;
      };
    return parts_;
  }
  std::vector<Part> parts_;
  FakeTime* time_of_parts_ = nullptr;
};

Observation measure_parts(FakePoint& point, const std::vector<Part>& parts,
                          const VerificationResult& verification = {0, 0, "full"}) {
  return point.measure([&] {
    auto trial = std::make_unique<TrialOf>(point, parts);
    trial->time_of_parts_ = &point.time;
    trial->verification = verification;
    return trial;
  });
}

TEST(MeasuredParts, AreTimedAfterTheWholeWasVerified) {
  FakePoint point;
  const auto o = measure_parts(point, {{.name = "last"}}, {1, 0, "full"});
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_THAT(o.reason, HasSubstr("verification failed"));
}

// Of a cache of 10 kB, and 20 sets of 1 KiB.
TEST(MeasuredParts, SayWhetherTheyWereColdWhereTheWholeWas) {
  FakePoint point;
  const std::vector<Part> parts{
      {.name = "all", .work = {.read = Bytes{512}, .written = Bytes{512}}},
      {.name = "half", .work = {.read = Bytes{512}}},
      {.name = "few", .work = {.read = Bytes{1024}}, .sets = 19},
      {.name = "not all", .work = {.read = Bytes{1024}}, .sets = 21},
      {.name = "in one launch", .calls = 21, .work = {.read = Bytes{1024}}, .sets = 21},
      {.name = "not known"}};
  EXPECT_TRUE(measure_parts(point, parts).parts_cache.empty()) << "so was the whole";
  point.cache = CachePolicy::cold;
  const auto o = measure_parts(point, parts);
  EXPECT_EQ(o.outcome, Outcome::measured) << o.reason;
  EXPECT_EQ(o.parts_cache, (std::map<std::string, std::string>{{"all", "cold"},
                                                               {"half", "warm"},
                                                               {"few", "warm"},
                                                               {"not all", "warm"},
                                                               {"in one launch", "cold"},
                                                               {"not known", "warm"}}));
}

TEST(MeasuredParts, CountTheBufferSetsThatTheyWentOver) {
  FakePoint point;
  TrialOf trial{point, {{.name = "one each"}, {.name = "own", .calls = 4, .sets = 4}}};
  trial.time_of_parts_ = &point.time;
  FakeClock clock{point.time};
  const auto world = make_single_rank_plane();
  const auto timed = time_parts(trial, clock, *world, {.launches = 3, .samples = 2, .sets = 20});
  ASSERT_EQ(timed.size(), 2u);
  EXPECT_EQ(timed[0].launched, 9) << "three batches";
  EXPECT_EQ(timed[0].part.sets, 20);
  EXPECT_EQ(timed[1].launched, 12);
  const auto all = time_parts(trial, clock, *world, {.launches = 30, .samples = 2, .sets = 20});
  EXPECT_EQ(all[0].launched, 20);
}

TEST(MeasuredParts, FailThePointWhereTheyAreImpossible) {
  FakePoint point;
  point.cache = CachePolicy::cold;
  point.setup.card.memory_bandwidth = Nominal<BytesPerSecond>{BytesPerSecond{1e9}, "test"};
  const auto o = measure_parts(point, {{.name = "possible", .work = {.read = Bytes{0.9e6}}},
                                       {.name = "gate", .work = {.read = Bytes{2e6}}}});
  EXPECT_EQ(o.outcome, Outcome::failed);
  EXPECT_THAT(o.reason, HasSubstr("impossible result of the part gate of fake/fake: "));
  EXPECT_EQ(o.parts_s.size(), 2u) << "they are kept";
}

// Of a cache of 10 kB, over which one set of 99 caches goes again and again.
TEST(MeasuredParts, MayBeFasterThanMemoryWhereTheyAreWarm) {
  FakePoint point;
  point.cache = CachePolicy::cold;
  point.setup.card.memory_bandwidth = Nominal<BytesPerSecond>{BytesPerSecond{0.5e9}, "test"};
  const auto o =
      measure_parts(point, {{.name = "gate", .work = {.read = Bytes{0.99e6}}, .sets = 1}});
  EXPECT_EQ(o.outcome, Outcome::measured) << o.reason;
  EXPECT_EQ(o.parts_cache.at("gate"), "warm");
}

TEST(MeasuredParts, GoThroughAllBufferSets) {
  struct WithAPart final : FakeTrial {
    WithAPart(FakeTime& time, std::set<int>& sets)
        : FakeTrial{time, {.median_s = 1e-3}}, time_{time}, sets_{sets} {}
    [[nodiscard]] std::vector<Part> parts() override {
      return {{.name = "part", .launch = [this](int set, Stream) {
                 sets_.insert(set);
                 time_.now_s += 1e-3;
               }}};
    }
    FakeTime& time_;
    std::set<int>& sets_;
  };
  FakePoint point;
  point.cache = CachePolicy::cold;
  std::set<int> sets;
  const auto o = point.measure([&] { return std::make_unique<WithAPart>(point.time, sets); });
  ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
  ASSERT_GT(o.sample.buffer_sets, o.sample.iterations_per_sample) << "or one batch has them all";
  EXPECT_EQ(sets.size(), static_cast<std::size_t>(o.sample.buffer_sets));
}

/// A trial of three parts: "half" takes half of a launch; "own" says itself what it took; each
/// launch of "four" makes four calls.
class FakeTrialWithParts final : public FakeTrial {
 public:
  FakeTrialWithParts(FakeTime& time, const FakeDevice& device)
      : FakeTrial{time, device}, time_{time}, device_{device} {}
  [[nodiscard]] std::vector<Part> parts() override {
    const auto pass = [this](int, Stream) { time_.now_s += device_.median_s / 2; };
    return {{"half", pass},
            {"own", [this](int, Stream) { ++launches_; },
             [this] { return Seconds{device_.median_s / 4 * std::exchange(launches_, 0)}; }},
            {.name = "four",
             .launch = [this](int, Stream) { time_.now_s += device_.median_s; },
             .calls = 4,
             .work = {.flops = Flops{1e6}}}};
  }

 private:
  FakeTime& time_;
  FakeDevice device_;
  int launches_ = 0;
};

// Ranks 0, 1, 2 spend 5, 2 and 9 ms in each call: parts are the slowest rank's too.
TEST(MeasuredParts, TimesThePartsOfATrialApart) {
  const auto make = [](ControlPlane& world, FakePoint& point) {
    const FakeDevice device{.median_s = std::array<double, 3>{
                                5e-3, 2e-3, 9e-3}[static_cast<std::size_t>(world.rank())]};
    return std::make_unique<FakeTrialWithParts>(point.time, device);
  };
  for (const auto& o : FakeWorld{}.measure<3>(make)) {
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    EXPECT_NEAR(o.seconds(), 9e-3, 1e-9);
    ASSERT_EQ(o.parts_s.size(), 3U);
    EXPECT_GE(o.parts_s.at("half").size(), 3U);
    for (const double seconds : o.parts_s.at("half")) EXPECT_NEAR(seconds, 4.5e-3, 1e-9);
    for (const double seconds : o.parts_s.at("own")) EXPECT_NEAR(seconds, 2.25e-3, 1e-9);
    for (const double seconds : o.parts_s.at("four")) EXPECT_NEAR(seconds, 2.25e-3, 1e-9);
  }
}

// What rank 1 alone finds, all say: nobody goes on to calls that it does not join.
TEST(MeasuredParts, FailsOnEveryRankWhatOneRankCannotBelieveOrDo) {
  const auto slow_card = [](ControlPlane& world, FakePoint& point) {
    if (world.rank() == 1) point.setup.card.peak[""] = {FlopsPerSecond{1e9}, "test"};
  };
  const auto no_warm_up = [](ControlPlane& world, FakePoint& point) {
    if (world.rank() == 1) point.setup.warm_up_device = [] { throw Error{"the device is gone"}; };
  };
  const auto with_parts = [](ControlPlane&, FakePoint& point) {
    return std::make_unique<FakeTrialWithParts>(point.time, FakeDevice{.median_s = 1e-4});
  };
  const FakeWorld too_fast{.prepare = slow_card, .work = {.flops = Flops{1e6}}};
  for (const auto& o : too_fast.measure<3>(with_parts))
    EXPECT_THAT(o.reason, StartsWith("rank 1: impossible result of fake/fake: "));
  for (const auto& o : FakeWorld{.prepare = slow_card}.measure<3>(with_parts))
    EXPECT_THAT(o.reason, StartsWith("rank 1: impossible result of the part four of fake/fake: "));
  for (const auto& o : FakeWorld{.prepare = no_warm_up}.measure<3>(with_parts))
    EXPECT_EQ(o.reason, "rank 1: the device is gone");
}

}  // namespace
}  // namespace moecal::bench
