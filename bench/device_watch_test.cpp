// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/device_watch.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "bench/device.hpp"
#include "bench/point_measurer.hpp"
#include "bench/testing/fake_benchmark.hpp"

namespace moecal::bench {
namespace {

// A point of a device without noise, 200 us a launch: nine samples of one launch each.
Observation measure(const PointMeasurer::Setup& setup, FakeTime& time) {
  const FakeBenchmark benchmark{
      [&] { return std::make_unique<FakeTrial>(time, FakeDevice{.median_s = 200e-6}); }};
  const auto world = make_single_rank_plane();
  return PointMeasurer{*world, setup}.measure({&benchmark, {"fake", "cpu"}, {}, CachePolicy::warm});
}

/// A recorded trace, replayed through the library that runtime/nvml.cpp loads.
class RecordedTrace : public testing::Test {
 protected:
  RecordedTrace() {
    setenv("MOECAL_FAKE_NVML_TRACE", MOECAL_SOURCE_DIR "/bench/testing/nvml_trace.csv", 1);
    traced.device = 0;
    traced.pci_bus_id = "0000:1b:00.0";
    setup.machine.memory = Bytes{1e9};
    setup.watch = make_device_watch(traced, MOECAL_FAKE_NVML);
    setup.make_clock = [this](const Implementation&) { return std::make_unique<FakeClock>(time); };
  }
  ~RecordedTrace() override { unsetenv("MOECAL_FAKE_NVML_TRACE"); }
  Machine traced;
  FakeTime time;
  PointMeasurer::Setup setup;
};

TEST_F(RecordedTrace, GivesExactlyItsFlags) {
  ASSERT_TRUE(setup.watch.sees());
  const auto o = measure(setup, time);
  ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
  ASSERT_EQ(o.samples_s.size(), 9U);
  EXPECT_EQ(o.flags.throttled, (std::vector<bool>{0, 1, 1, 1, 1, 1, 1, 0, 0}));
  EXPECT_EQ(o.device.throttle_reasons, (std::vector<std::uint64_t>{0, 4, 4, 4, 4, 36, 4, 1, 2}));
  EXPECT_EQ(o.device.sm_clock_hz, (std::vector<double>{1980e6, 1965e6, 1845e6, 1830e6, 1785e6,
                                                       1410e6, 1845e6, 1980e6, 1980e6}));
  EXPECT_EQ(o.device.power_w, (std::vector<double>{512, 698, 701, 699, 700, 455, 700, 602, 598}));
  EXPECT_EQ(o.device.temperature_c, (std::vector<double>{55, 61, 66, 68, 71, 87, 79, 72, 70}));
  EXPECT_TRUE(o.device.power_limited) << "five samples of nine: one was hot beside";
  EXPECT_EQ(o.device.energy_j, 0) << "not asked for";
}

// A brake that is pulled from outside, beside the card's own limit or not, is an accident.
TEST_F(RecordedTrace, OfABrakeIsThrottledAndNotPowerLimited) {
  setenv("MOECAL_FAKE_NVML_TRACE", MOECAL_SOURCE_DIR "/bench/testing/nvml_brake.csv", 1);
  setup.watch = {};  // the library is unloaded, and reads the other trace
  setup.watch = make_device_watch(traced, MOECAL_FAKE_NVML);
  const auto o = measure(setup, time);
  ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
  EXPECT_EQ(o.flags.throttled, std::vector<bool>(o.samples_s.size(), true));
  EXPECT_EQ(o.device.throttle_reasons.front(), 128U);
  EXPECT_EQ(o.device.throttle_reasons.back(), 132U);
  EXPECT_FALSE(o.device.power_limited);
}

/// How often the library was asked for what `name` counts.
int asked(const char* name) {
  void* library = dlopen(MOECAL_FAKE_NVML, RTLD_NOW);
  const int count = *static_cast<int*>(dlsym(library, name));
  dlclose(library);
  return count;
}

TEST_F(RecordedTrace, IsAskedForNoMoreThanABatchNeeds) {
  const int lookups = asked("moecal_fake_nvml_lookups");
  const int energies = asked("moecal_fake_nvml_energies");
  EXPECT_EQ(measure(setup, time).outcome, Outcome::measured);
  EXPECT_EQ(asked("moecal_fake_nvml_lookups"), lookups) << "the handle is kept";
  EXPECT_EQ(asked("moecal_fake_nvml_energies"), energies) << "no energy was asked for";
}

// As where a device is shared out among machines.
TEST_F(RecordedTrace, IsWatchedWhereItHidesItsThrottleReasons) {
  setenv("MOECAL_FAKE_NVML_HIDES_REASONS", "1", 1);
  Machine machine;
  machine.device = 0;
  machine.pci_bus_id = "0000:1b:00.0";
  testing::internal::CaptureStderr();
  setup.watch = make_device_watch(machine, MOECAL_FAKE_NVML);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "moecal: NVML does not tell of 0000:1b:00.0: throttle reasons; it is missing in the "
            "records\n");
  const auto o = measure(setup, time);
  unsetenv("MOECAL_FAKE_NVML_HIDES_REASONS");
  EXPECT_EQ(o.device.power_w.size(), o.samples_s.size());
  EXPECT_TRUE(o.device.throttle_reasons.empty());
  EXPECT_TRUE(o.flags.throttled.empty()) << "nobody can tell";
  machine.pci_bus_id = "0000:2b:00.0";
  EXPECT_FALSE(make_device_watch(machine, MOECAL_FAKE_NVML).sees());
}

TEST_F(RecordedTrace, GivesTheEnergyOfALaunch) {
  setup.sampler.energy_loop = Seconds{1};
  const auto o = measure(setup, time);
  // 630 J over ten batches of 500 launches, each a tenth of a second; one more if 1 s is not full.
  const double launches = o.device.energy_loop_s / 200e-6;
  EXPECT_NEAR(launches, 5250, 251);
  EXPECT_NEAR(o.device.energy_j, 630 / launches, 1e-9);
}

TEST_F(RecordedTrace, ThrottledSamplesAreKeptOutOfTheTimeOfAPoint) {
  auto o = measure(setup, time);
  for (std::size_t i = 0; i < o.samples_s.size(); ++i)
    if (o.flags.throttled[i]) o.samples_s[i] = 1;
  EXPECT_NEAR(o.seconds(), 200e-6, 1e-12);
}

TEST(DeviceTrace, IsPowerLimitedFromHalfOfTheSamplesOn) {
  DeviceTrace trace;
  EXPECT_FALSE(is_power_limited(trace));
  trace.throttle_reasons = {4, 0, 0};
  EXPECT_FALSE(is_power_limited(trace));
  trace.throttle_reasons = {4, 4, 0, 0};
  EXPECT_TRUE(is_power_limited(trace));
  trace.throttle_reasons = {4, 0x80, 0x84, 0};
  EXPECT_FALSE(is_power_limited(trace)) << "that is a brake";
  trace.throttle_reasons = {0x40, 0x40};
  EXPECT_FALSE(is_power_limited(trace)) << "that is heat";
}

}  // namespace
}  // namespace moecal::bench
