// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/device_watch.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace moecal::bench {
namespace {

template <class T>
void append_if_known(std::vector<T>& values, const std::optional<T>& value) {
  if (value) values.push_back(*value);
}

constexpr double kStandsFor = 4;         // times as long as it took
constexpr Seconds kStandsAtMost{20e-3};  // longer, and it would speak of another point
// A tenth of a GPU's batches, in the shade of which it is asked.
constexpr Seconds kCheap{25e-6};

Seconds wall_of_host() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

DeviceWatch::DeviceWatch(Read read, Read read_all, Wall wall) : state_{std::make_shared<State>()} {
  state_->read_all = read_all ? std::move(read_all) : read;
  state_->read = std::move(read);
  state_->wall = wall ? std::move(wall) : wall_of_host;
}

void DeviceWatch::look() {
  if (!sees() || !std::exchange(state_->wanted, false)) return;
  const Seconds asked = state_->wall();
  if (asked < state_->stands_until) return;
  state_->reading = state_->read();
  const Seconds answered = state_->wall(), took = answered - asked;
  state_->stands_until =
      took > kCheap ? answered + std::min(kStandsFor * took, kStandsAtMost) : answered;
}

const NvmlReading& DeviceWatch::of_batch() {
  look();
  return state_->reading;
}

std::string missing_in(const NvmlReading& reading) {
  std::string names;
  const auto note = [&](bool known, const char* name) {
    if (!known) names += (names.empty() ? "" : ", ") + std::string{name};
  };
  note(reading.sm_clock_hz.has_value(), "clock");
  note(reading.power_w.has_value(), "power");
  note(reading.temperature_c.has_value(), "temperature");
  note(reading.throttle_reasons.has_value(), "throttle reasons");
  return names;
}

void append(DeviceTrace& trace, const NvmlReading& reading) {
  append_if_known(trace.sm_clock_hz, reading.sm_clock_hz);
  append_if_known(trace.power_w, reading.power_w);
  append_if_known(trace.temperature_c, reading.temperature_c);
  append_if_known(trace.throttle_reasons, reading.throttle_reasons);
}

void drop_incomplete(DeviceTrace& trace, std::size_t samples) {
  const auto drop = [samples](auto& values) {
    if (values.size() != samples) values.clear();
  };
  drop(trace.sm_clock_hz);
  drop(trace.power_w);
  drop(trace.temperature_c);
  drop(trace.throttle_reasons);
}

bool is_power_limited(const DeviceTrace& trace) {
  const auto& reasons = trace.throttle_reasons;
  const auto limited = std::count_if(reasons.begin(), reasons.end(), [](std::uint64_t mask) {
    return moecal::is_power_limited(mask);
  });
  return limited > 0 && 2 * limited >= static_cast<std::ptrdiff_t>(reasons.size());
}

}  // namespace moecal::bench
