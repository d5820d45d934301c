// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "bench/testing/fake_point.hpp"

// What a point says of its parts, on one rank.
namespace moecal::bench {
namespace {

using ::testing::HasSubstr;

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
      {.name = "not known"}};
  EXPECT_TRUE(measure_parts(point, parts).parts_cache.empty()) << "so was the whole";
  point.cache = CachePolicy::cold;
  const auto o = measure_parts(point, parts);
  EXPECT_EQ(o.outcome, Outcome::measured) << o.reason;
  EXPECT_EQ(o.parts_cache,
            (std::map<std::string, std::string>{
                {"all", "cold"}, {"half", "warm"}, {"few", "warm"}, {"not known", "warm"}}));
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

}  // namespace
}  // namespace moecal::bench
