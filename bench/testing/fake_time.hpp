// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>

#include "bench/clock.hpp"
#include "core/hash.hpp"

/// A device whose times are known exactly: what a measurement of it returns can be held against the
/// truth, on any machine and without waiting.
namespace moecal::bench {

/// The time that passes only when something says so.
struct FakeTime {
  double now_s = 0;
};

class FakeClock : public Clock {
 public:
  explicit FakeClock(FakeTime& time) : time_{time} {}
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    const double start = time_.now_s;
    batch();
    return Seconds{time_.now_s - start};
  }
  [[nodiscard]] std::string name() const override { return "fake"; }

 private:
  FakeTime& time_;
};

/// Random numbers that are the same with every standard library (Box-Muller).
class FakeNoise {
 public:
  // The seed is mixed first: neighbouring seeds would else give one stream, shifted by one number.
  explicit FakeNoise(std::uint64_t seed) : state_{mix(seed)} {}
  /// In (0, 1).
  double uniform() { return (static_cast<double>(mix(state_++) >> 11) + 0.5) / 9007199254740992.0; }
  double normal() {
    return std::sqrt(-2 * std::log(uniform())) * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::uint64_t state_;
};

/// What one launch of the fake device costs.
struct FakeDevice {
  double median_s = 200e-6;
  double noise = 0;         // standard deviation, over the median
  double spike_chance = 0;  // of a launch that takes five times as long
  double cold_start_s = 0;  // what the first launch costs on top
  double warm_up_s = 0;     // time constant in which an extra cost of once the median fades
  std::uint64_t seed = 1;
};

}  // namespace moecal::bench
