// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "core/units.hpp"

namespace moecal {

/// What a rank does right now, for whoever has to say it when it does not end. One thread tells,
/// others may ask.
class Activity {
 public:
  /// How long a step may go without a beat of any rank.
  enum class Limit {
    timeout,   // other ranks may wait for it: as long as ranks wait, and what is allowed on top
    own_work,  // filling and checking buffers: ten times as long
  };
  struct State {
    std::string where;        // "point, step"; what a sentence says after "in"
    std::uint64_t beats = 0;  // differs from the last answer's if there was progress
    Limit limit = Limit::own_work;
    Seconds allowed{0};
  };

  /// From now on: the name of a point.
  void begin(std::string point);
  /// A step of it, by a string that lives on. `allowed`: what is known to pass between beats.
  void step(const char* name, Limit limit = Limit::timeout, Seconds allowed = Seconds{0});
  /// Progress within a step. Cheap enough for between two timed launches: no lock.
  void beat() noexcept {
    beats_.store(beats_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] State state() const;

 private:
  mutable std::mutex mutex_;
  std::string point_;
  const char* step_ = "";
  Limit limit_ = Limit::own_work;
  Seconds allowed_{0};
  std::atomic<std::uint64_t> beats_{0};
};

}  // namespace moecal
