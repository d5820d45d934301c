// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/device_watch.hpp"

#include <algorithm>

namespace moecal::bench {
namespace {

template <class T>
void append_if_known(std::vector<T>& values, const std::optional<T>& value) {
  if (value) values.push_back(*value);
}

}  // namespace

void DeviceWatch::look() {
  if (!sees() || state_->looked) return;
  state_->reading = state_->read();
  state_->looked = true;
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
