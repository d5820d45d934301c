// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "bench/sampler.hpp"
#include "bench/testing/fake_trial.hpp"

namespace moecal::bench {
namespace {

/// Holds so many batches; from then on it cannot, and launches take 5 us more.
struct LapsingClock final : FakeClock {
  LapsingClock(FakeTime& time, int lapses_at) : FakeClock{time}, time_{time}, left_{lapses_at} {}
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    held_last = held_ && left_ > 0;
    if (held_ && left_ > 0) --left_;
    if (!held_last) time_.now_s += 5e-6;
    return FakeClock::time(batch) + Seconds{held_last ? 0 : 5e-6};
  }
  void hold(bool wanted) override { held_ = wanted; }
  [[nodiscard]] std::string name() const override { return left_ > 0 ? "held" : "not held"; }
  [[nodiscard]] Stream stream() const override { return reinterpret_cast<Stream>(1); }
  bool held_last = false;

 private:
  FakeTime& time_;
  int left_;
  bool held_ = false;
};

struct EnqueuingTrial final : FakeTrial {
  using FakeTrial::FakeTrial;
  [[nodiscard]] int enqueues() const override { return 1; }
};

TEST(HeldSamples, AreAllTakenAnewWhereABatchCannotBeHeld) {
  for (int lapses_at = 10; lapses_at < 40; ++lapses_at) {
    FakeTime time;
    EnqueuingTrial trial{time, {.median_s = 200e-6}};
    SetRotation rotation{1};
    LapsingClock clock{time, lapses_at};
    const auto world = make_single_rank_plane();
    const auto sampling = Sampler{clock, *world, {}}.run(trial, rotation);
    const auto& samples = sampling.samples_s;
    EXPECT_NEAR(*std::ranges::max_element(samples), *std::ranges::min_element(samples), 1e-9)
        << "lapsed at " << lapses_at;
    EXPECT_EQ(sampling.timer, samples.front() < 202e-6 ? "held" : "not held");
  }
}

TEST(HeldSamples, AreNoPartOfTheEnergyLoop) {
  SamplerOptions options;
  options.energy_loop = Seconds{1};
  FakeTime time;
  EnqueuingTrial trial{time, {.median_s = 200e-6}};
  SetRotation rotation{1};
  LapsingClock clock{time, 1'000'000};
  const auto world = make_single_rank_plane();
  const DeviceWatch watch{[&] { return NvmlReading{.energy_j = time.now_s}; }};
  const auto sampling = Sampler{clock, *world, options, watch}.run(trial, rotation);
  EXPECT_EQ(sampling.timer, "held");
  EXPECT_GE(sampling.device.energy_loop_s, 1);
  EXPECT_FALSE(clock.held_last);
}

}  // namespace
}  // namespace moecal::bench
