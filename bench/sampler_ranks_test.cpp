// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "bench/sampler.hpp"
#include "bench/testing/fake_measurement.hpp"
#include "core/statistics.hpp"
#include "tests/thread_plane.hpp"

// How ranks sample together.
namespace moecal::bench {
namespace {

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
