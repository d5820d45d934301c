// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/clock.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "bench/sampler.hpp"
#include "bench/single_calls.hpp"
#include "bench/testing/fake_trial.hpp"

namespace moecal::bench {
namespace {

// The first of two ranks, whose partner is never heard of.
struct HalfAlone final : ControlPlane {
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 2; }
  void barrier() override { met(); }
  using ControlPlane::max;
  void max(std::span<double>) override {}
  void broadcast(std::span<char>, int) override {}
  [[nodiscard]] std::unique_ptr<ControlPlane> split(int) override { throw Error{"no"}; }
  [[noreturn]] void abort(int, const std::string&) override { throw RankLost{"aborted"}; }

  std::function<void()> met = [] {};
};

// A device's clock runs while its rank's partners are still busy with something else.
TEST(SlowestRankClock, StartsEveryBatchOfDevicesTogether) {
  struct DeviceClock final : Clock {
    [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
      batch();
      return Seconds{1};
    }
    [[nodiscard]] std::string name() const override { return "device"; }
    [[nodiscard]] Stream stream() const override { return reinterpret_cast<Stream>(1); }
  };
  HalfAlone world;
  std::string order;
  world.met = [&] { order += "meet "; };
  const auto clock = make_slowest_rank_clock(std::make_unique<DeviceClock>(), world);
  const auto times = clock->time_each({.count = 2,
                                       .before = [&] { order += "read "; },
                                       .launch = [&] { order += "launch "; },
                                       .after = [] {}});
  EXPECT_EQ(times.size(), 2U);
  EXPECT_EQ(order, "read meet launch read meet launch ");
}

// A CUDA device tells of a failed kernel only when it is waited for: after the launches.
TEST(SlowestRankClock, EndsTheLaunchWhenABatchOfOneRankFails) {
  struct FailingClock final : Clock {
    [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
      batch();
      throw Error{"an illegal memory access"};
    }
    [[nodiscard]] std::string name() const override { return "failing"; }
  };
  FakeTime time;
  FakeTrial trial{time, {}};
  SetRotation rotation{1};
  HalfAlone world;
  const auto clock = make_slowest_rank_clock(std::make_unique<FailingClock>(), world);
  EXPECT_THROW((void)(Sampler{*clock, world, {}}.run(trial, rotation)), RankLost);
  FailingClock own;
  CommonStart start{world, {[] { return 0.0; }, [](double) {}, "one"}};
  EXPECT_THROW((void)time_single_calls(trial, own, start, {}), RankLost);
}

}  // namespace
}  // namespace moecal::bench
