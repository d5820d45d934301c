// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <new>

#include "runtime/buffer.hpp"
#include "runtime/hold_words.hpp"

namespace moecal {

/// Keeps a stream from going on while the host enqueues what is to be timed: then no launch comes
/// too late for the device, and the time between events around them is the device's own. Only for
/// work that the host can enqueue without waiting for the device, whose kernels are loaded, and
/// of which there are at most kMostHeld: else host and device wait for one another until the hold
/// lapses.
class StreamHold {
 public:
  /// Far above what the host takes to enqueue kMostHeld.
  static constexpr Seconds kLongest{0.1};

  StreamHold() : memory_{sizeof(HoldWords)}, words_{new (memory_.data()) HoldWords{}} {}
  ~StreamHold();
  StreamHold(const StreamHold&) = delete;
  StreamHold& operator=(const StreamHold&) = delete;

  /// What is enqueued on `stream` during its life waits for its end, at most kLongest.
  class Held {
   public:
    Held(StreamHold& hold, Stream stream) : hold_{hold} { hold_.take(stream); }
    ~Held() { hold_.release(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    StreamHold& hold_;
  };
  /// Whether the last hold ended by itself, so that what came behind it may have waited for the
  /// host. Asked when the stream has got past it.
  [[nodiscard]] bool lapsed() const;

 private:
  void take(Stream stream);
  void release() noexcept;

  PinnedBuffer memory_;
  HoldWords* words_;          // in it
  std::uint32_t number_ = 0;  // of the last hold
  Stream stream_ = nullptr;
};

}  // namespace moecal
