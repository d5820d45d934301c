// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "bench/launch_batch.hpp"
#include "bench/point_measurer.hpp"
#include "bench/testing/fake_benchmark.hpp"
#include "core/statistics.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

// The clock of CUDA events over a device whose times are known: the host takes 5 us to launch
// something, the device 2 us to do it.
namespace moecal::bench {
namespace {

using tests::fake_cuda;

constexpr double kLaunch = 5e-6;
constexpr double kKernel = 2e-6;

class HeldBatches : public testing::Test {
 protected:
  HeldBatches() {
    fake_cuda().launch_ms = 1e3 * kLaunch;
    fake_cuda().holds_lapse = 0;
    fake_cuda().holds = 0;
  }
  static void launch(int times) {
    for (int i = 0; i < times; ++i) fake_cuda().pass(1e3 * kKernel);
  }
  const std::unique_ptr<Clock> clock_ = make_cuda_event_clock();
};

// A batch in a double of a device's milliseconds.
constexpr double kRounding = 1e-9;

TEST_F(HeldBatches, HaveNoLaunchGapInTheirTime) {
  EXPECT_NEAR(clock_->time([] { launch(10); }).count(), 10 * kLaunch, kRounding);
  EXPECT_EQ(clock_->name(), "cuda_event");
  EXPECT_EQ(fake_cuda().holds, 0);
  clock_->hold(true);
  EXPECT_NEAR(clock_->time([] { launch(10); }).count(), 10 * kKernel, kRounding);
  EXPECT_EQ(clock_->name(), "cuda_event_held");
  EXPECT_FALSE(fake_cuda().held());
  clock_->hold(false);
  EXPECT_NEAR(clock_->time([] { launch(10); }).count(), 10 * kLaunch, kRounding);
}

TEST_F(HeldBatches, AreCutWhereTheQueueIsFull) {
  clock_->hold(true);
  // The host asks while the device ends a piece: what passes then is nobody's.
  clock_->watch([](Seconds) { fake_cuda().clock_ms += 7; });
  const auto time = clock_->time([&] {
    launch(10);
    clock_->cut();
    launch(5);
  });
  EXPECT_NEAR(time.count(), 15 * kKernel, kRounding);
  EXPECT_GT(clock_->host_time()->count(), 0);
  EXPECT_EQ(fake_cuda().holds, 2);
}

TEST_F(HeldBatches, AreHeldAgainWhereTheHoldEndedByItselfOnce) {
  fake_cuda().holds_lapse = 1;
  clock_->hold(true);
  EXPECT_NEAR(clock_->time([] { launch(10); }).count(), 10 * kKernel, kRounding);
  EXPECT_EQ(fake_cuda().holds, 2);
  EXPECT_EQ(clock_->name(), "cuda_event_held");
  fake_cuda().holds_lapse = 1;
  EXPECT_NEAR(clock_->time([] { launch(10); }).count(), 10 * kKernel, kRounding)
      << "a host may be kept from its work more than once in a point";
}

TEST_F(HeldBatches, FollowAnUntimedOneWhereTheHoldEndsByItself) {
  fake_cuda().holds_lapse = 1000;
  clock_->hold(true);
  int batches = 0;
  const auto time = clock_->time([&] {
    ++batches;
    launch(10);
  });
  EXPECT_NEAR(time.count(), 10 * kLaunch, kRounding);
  EXPECT_EQ(batches, 4) << "two whose times are not believed, and one ahead of the timed one";
  EXPECT_EQ(clock_->name(), "cuda_event_led") << "the record says which it was";
  clock_->hold(true);
  (void)clock_->time([&] { ++batches; });
  EXPECT_EQ(batches, 6);
  EXPECT_EQ(fake_cuda().holds, 2) << "nor is it tried again";
  clock_->hold(false);
  (void)clock_->time([&] { ++batches; });
  EXPECT_EQ(batches, 7);
  EXPECT_EQ(clock_->name(), "cuda_event");
}

TEST_F(HeldBatches, LetTheStreamGoOnIfALaunchFails) {
  clock_->hold(true);
  EXPECT_THROW((void)clock_->time([] { throw Error{"refused"}; }), Error);
  EXPECT_FALSE(fake_cuda().held());
}

// What a launch does is of the fake device's; the first on each set loads a kernel.
struct DeviceTrial final : FakeTrial {
  DeviceTrial(FakeTime& time, int enqueued, int* loads_held)
      : FakeTrial{time, {}}, enqueued_{enqueued}, loads_held_{loads_held} {}
  void prepare(int sets) override {
    FakeTrial::prepare(sets);
    loaded_.resize(static_cast<std::size_t>(sets));
  }
  void launch(int set, Stream) override {
    write(set);
    if (!loaded_[static_cast<std::size_t>(set)] && fake_cuda().held()) ++*loads_held_;
    loaded_[static_cast<std::size_t>(set)] = true;
    fake_cuda().pass(1e3 * kKernel);
  }
  [[nodiscard]] int enqueues() const override { return enqueued_; }
  [[nodiscard]] std::vector<Part> parts() override {
    return {{.name = "all", .launch = [this](int set, Stream stream) { launch(set, stream); }}};
  }

 private:
  int enqueued_;
  int* loads_held_;
  std::vector<bool> loaded_;
};

Observation measure(int enqueued, CachePolicy cache, int* loads_held) {
  FakeTime time;
  PointMeasurer::Setup setup;
  setup.machine.memory = Bytes{1e9};
  setup.machine.last_level_cache = Bytes{500e3};
  setup.make_clock = [](const Implementation&) { return make_cuda_event_clock(); };
  const FakeBenchmark benchmark{
      [&] { return std::make_unique<DeviceTrial>(time, enqueued, loads_held); }};
  const auto world = make_single_rank_plane();
  return PointMeasurer{*world, setup}.measure({&benchmark, {"fake", "cuda"}, {}, cache});
}

TEST_F(HeldBatches, AreThoseOfEveryTrialThatOnlyEnqueues) {
  for (const auto cache : {CachePolicy::warm, CachePolicy::cold}) {
    int loads_held = 0;
    const auto o = measure(3, cache, &loads_held);
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    for (const double sample : o.samples_s) EXPECT_NEAR(sample, kKernel, 1e-3 * kKernel);
    EXPECT_NEAR(median(o.parts_s.at("all")), kKernel, 1e-3 * kKernel);
    EXPECT_EQ(o.sample.timer, "cuda_event_held");
    EXPECT_EQ(loads_held, 0);
    EXPECT_EQ(o.host_s.size(), o.samples_s.size());
    for (const double host : o.host_s) EXPECT_LT(host, 1e-3);
  }
}

// A graph counts no more than may be held: its launch is one submission.
TEST_F(HeldBatches, AreThoseOfGraphsOfAnySizeOneByOne) {
  static_assert(enqueued_by_graph(kMostHeld - 1) == kMostHeld - 1);
  static_assert(launches_at_once(enqueued_by_graph(100 * kMostHeld)) == 1);
  int loads_held = 0;
  const auto o = measure(enqueued_by_graph(100 * kMostHeld), CachePolicy::warm, &loads_held);
  ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
  EXPECT_NEAR(o.seconds(), kKernel, 1e-3 * kKernel);
  EXPECT_EQ(o.sample.timer, "cuda_event_held");
}

TEST_F(HeldBatches, AreNotThoseOfTrialsThatMayWaitForTheDevice) {
  int loads_held = 0;
  for (const int enqueued : {0, 1000}) {
    const auto o = measure(enqueued, CachePolicy::warm, &loads_held);
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    EXPECT_NEAR(o.seconds(), kLaunch, 1e-3 * kLaunch);
    EXPECT_EQ(o.sample.timer, "cuda_event");
    EXPECT_EQ(o.host_s.size(), o.samples_s.size());
  }
  EXPECT_EQ(fake_cuda().holds, 0);
}

}  // namespace
}  // namespace moecal::bench
