// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "bench/device_watch.hpp"
#include "bench/sampler.hpp"
#include "bench/testing/fake_measurement.hpp"

// What a sampler asks of the device beside its times.
namespace moecal::bench {
namespace {

// A trace of a device that is held back while it takes the third and fourth sample.
TEST(Sampler, FlagsTheSamplesThatWereTakenWhileTheDeviceWasHeldBack) {
  int asked = 0;
  const DeviceWatch watch{[&] {
    ++asked;
    return NvmlReading{.throttle_reasons = asked == 3 || asked == 4 ? 0x40 : 0x1};
  }};
  const auto sampling = FakeMeasurement{{}}.run({}, watch);
  ASSERT_EQ(sampling.throttled.size(), sampling.samples_s.size());
  for (std::size_t i = 0; i < sampling.throttled.size(); ++i)
    EXPECT_EQ(sampling.throttled[i], i == 2 || i == 3);
}

// What one reading hides is not told of any sample: the values could not be told apart.
TEST(Sampler, LeavesOutWhatOneReadingHid) {
  int asked = 0;
  const DeviceWatch watch{[&] {
    const bool hides = ++asked == 3;
    NvmlReading reading{.power_w = 100.0 + asked};
    if (!hides) reading.temperature_c = 50;
    if (!hides) reading.throttle_reasons = 0x40;
    return reading;
  }};
  const auto sampling = FakeMeasurement{{}}.run({}, watch);
  EXPECT_EQ(sampling.device.power_w.size(), sampling.samples_s.size());
  EXPECT_TRUE(sampling.device.temperature_c.empty());
  EXPECT_TRUE(sampling.device.throttle_reasons.empty());
  EXPECT_TRUE(sampling.throttled.empty());
}

TEST(Sampler, AsksTheDeviceWhileABatchRunsIfTheClockWaitsForIt) {
  int asked = 0;
  DeviceWatch watch{[&] {
    ++asked;
    return NvmlReading{.power_w = 100.0 + asked};
  }};
  watch.begin_batch();
  watch.look();
  watch.look();
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(watch.of_batch().power_w, 101);
  watch.begin_batch();
  EXPECT_EQ(watch.of_batch().power_w, 102);
  EXPECT_FALSE(DeviceWatch{}.sees());
}

TEST(Sampler, AsksASlowDriverNoMoreThanAFifthOfTheTime) {
  double now_s = 0, took_s = 1e-3;
  int asked = 0;
  DeviceWatch watch{[&] {
                      now_s += took_s;
                      return NvmlReading{.power_w = 100.0 + ++asked};
                    },
                    {},
                    [&] { return Seconds{now_s}; }};
  const auto readings_of = [&](int batches, double batch_s) {
    asked = 0;
    for (int i = 0; i < batches; ++i) {
      watch.begin_batch();
      const auto power = watch.of_batch().power_w;
      EXPECT_EQ(power, 100.0 + asked);
      now_s += batch_s;
    }
    return asked;
  };
  EXPECT_EQ(readings_of(16, 0.25e-3), 1);
  now_s += 1;
  EXPECT_EQ(readings_of(18, 0.25e-3), 2) << "for 4 ms an answer stands";
  now_s += 1;
  took_s = 5e-3;
  EXPECT_EQ(readings_of(45, 1e-3), 3) << "for 20 ms: 15 of 60 ms are spent on answers";
  now_s += 1;
  took_s = 50e-3;
  EXPECT_EQ(readings_of(45, 1e-3), 3) << "and never longer";
  now_s += 1;
  took_s = 10e-6;
  EXPECT_EQ(readings_of(10, 0.25e-3), 10) << "a quick one for its batch";
}

TEST(Sampler, AsksTheDeviceOfSamplesOnly) {
  int asked = 0;
  const DeviceWatch watch{[&] { return NvmlReading{.power_w = 100.0 + ++asked}; }};
  const auto sampling = FakeMeasurement{{}}.run({}, watch);
  EXPECT_EQ(static_cast<std::size_t>(asked), sampling.samples_s.size());
}

// A device of 500 W, counted in steps as NVML does.
TEST(Sampler, MeasuresTheEnergyOfALaunchOverASecond) {
  SamplerOptions options;
  options.energy_loop = Seconds{1};
  FakeMeasurement measurement{{.median_s = 200e-6}};
  const DeviceWatch watch{
      [&] { return NvmlReading{.energy_j = std::floor(measurement.time.now_s * 500 / 20) * 20}; }};
  const auto sampling = measurement.run(options, watch);
  EXPECT_GE(sampling.device.energy_loop_s, 1);
  EXPECT_NEAR(sampling.device.energy_j, 0.1, 0.1 * 0.04);
  EXPECT_EQ(measurement.run({}, watch).device.energy_j, 0) << "not asked for";
}

TEST(Sampler, MeasuresNoEnergyWhereNobodyCountsIt) {
  SamplerOptions options;
  options.energy_loop = Seconds{1};
  FakeMeasurement measurement{{}};
  const auto sampling = measurement.run(options, DeviceWatch{[] { return NvmlReading{}; }});
  EXPECT_EQ(sampling.device.energy_loop_s, 0);
  EXPECT_LT(measurement.time.now_s, 1);
}
}  // namespace
}  // namespace moecal::bench
