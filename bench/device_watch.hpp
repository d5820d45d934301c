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

/// Asks the device about itself once per batch: while the batch runs if its clock waits for the
/// device (Clock::watch calls look()), else right after it. A watch without a reader sees nothing;
/// copies of a watch are one watch.
class DeviceWatch {
 public:
  using Read = std::function<NvmlReading()>;
  DeviceWatch() = default;
  /// `read` is asked for every batch, `read_all` (empty: the same) where its energy is wanted.
  explicit DeviceWatch(Read read, Read read_all = {})
      : state_{std::make_shared<State>(read_all ? read_all : read)} {
    state_->read = std::move(read);
  }

  /// Whether anybody can tell.
  [[nodiscard]] bool sees() const { return state_ != nullptr; }
  void begin_batch() {
    if (sees()) state_->looked = false;
  }
  /// The first call of a batch reads, the others return at once.
  void look();
  /// What the device said during the batch. Only where sees().
  [[nodiscard]] const NvmlReading& of_batch();
  /// What it says now. Only where sees().
  [[nodiscard]] NvmlReading now() const { return state_->read_all(); }

 private:
  struct State {
    explicit State(Read all) : read_all{std::move(all)} {}
    Read read, read_all;
    NvmlReading reading;
    bool looked = false;
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
