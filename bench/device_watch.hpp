// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/observation.hpp"
#include "runtime/nvml.hpp"

namespace moecal::bench {

/// Asks the device about itself once per batch that is begun: while the batch runs if its clock
/// waits for the device (Clock::watch calls look()), else right after it. A driver may take a
/// millisecond to answer, four times as long as a batch of a GPU: then an answer stands for the
/// batches that begin within four times as long again: asking takes a fifth of the time at most,
/// and what held the device back for less may be missed. It stands for 20 ms at most, so a driver
/// that takes over 5 ms is asked for more of the time. A watch without a reader sees nothing;
/// copies of a watch are one watch.
class DeviceWatch {
 public:
  using Read = std::function<NvmlReading()>;
  using Wall = std::function<Seconds()>;
  DeviceWatch() = default;
  /// `read` is asked for batches, `read_all` (empty: the same) where its energy is wanted; `wall`
  /// (empty: this host's) is the time that they take.
  explicit DeviceWatch(Read read, Read read_all = {}, Wall wall = {});

  /// Whether anybody can tell.
  [[nodiscard]] bool sees() const { return state_ != nullptr; }
  void begin_batch() {
    if (sees()) state_->wanted = true;
  }
  /// The first call of a begun batch reads, the others return at once.
  void look();
  /// What the device said during the batch. Only where sees().
  [[nodiscard]] const NvmlReading& of_batch();
  /// What it says now. Only where sees().
  [[nodiscard]] NvmlReading now() const { return state_->read_all(); }

 private:
  struct State {
    Read read, read_all;
    Wall wall;
    NvmlReading reading;
    Seconds stands_until{0};
    bool wanted = false;
  };
  std::shared_ptr<State> state_;
};

/// What a reading lacks of what is watched: "power, throttle reasons"; empty: nothing.
[[nodiscard]] std::string missing_in(const NvmlReading& reading);

/// Adds the reading of a sample. What a device does not report at every sample is left out.
void append(DeviceTrace& trace, const NvmlReading& reading);

/// Empties what was not reported at every one of `samples` samples: nobody could tell which value
/// belongs to which.
void drop_incomplete(DeviceTrace& trace, std::size_t samples);

/// Whether the power limit held the device back in half of the samples or more.
[[nodiscard]] bool is_power_limited(const DeviceTrace& trace);

}  // namespace moecal::bench
