// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/units.hpp"
#include "runtime/control_plane.hpp"
#include "runtime/stream.hpp"

namespace moecal::bench {

/// So many batches in a row; what is not their launch is not timed.
struct Batches {
  int count = 1;
  std::function<void()> before = [] {};
  std::function<void()> launch{};
  std::function<void()> after = [] {};
};

/// Times batches of launches. One object serves one point.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Runs `batch` and returns the time from before its first launch to the end of the work of its
  /// last. What `batch` throws passes through.
  [[nodiscard]] virtual Seconds time(const std::function<void()>& batch) = 0;
  /// Each of `batches`. What they throw passes through.
  [[nodiscard]] virtual std::vector<Seconds> time_each(const Batches& batches);
  /// Asks `check` while a batch is waited for, with the time since its last launch, and once more
  /// at its end. What it throws passes through time(). Clocks that do not wait ask nothing.
  virtual void watch(std::function<void(Seconds waited)> /*check*/) {}
  /// Whether batches are to be held from now on: the device starts one when the host has enqueued
  /// all of it, and no launch gap is in its time. Only for launches that enqueue and return, and
  /// that ran before. Clocks that cannot, and that of several ranks, go on as they did. A batch
  /// that the device could not be kept from is done again; where that is twice, it and all after
  /// it are not held: each goes ahead of itself once, untimed, so that the host has enqueued of
  /// what is timed as much as it can when the device comes to it.
  virtual void hold(bool /*wanted*/) {}
  /// Called within a batch, between launches, where more would not fit into the device's queue at
  /// once: a held batch is timed up to here, waited for and held again.
  virtual void cut() {}
  /// What the host spent on the launches of the last batch; nothing where the clock is the host's.
  [[nodiscard]] virtual std::optional<Seconds> host_time() const { return {}; }
  /// What SampleInfo::timer says of the batches since hold().
  [[nodiscard]] virtual std::string name() const = 0;
  /// Where a batch has to enqueue its work; nullptr on the CPU.
  [[nodiscard]] virtual Stream stream() const { return nullptr; }
};

/// The host's monotonic clock: for work that is done when the launch returns.
[[nodiscard]] std::unique_ptr<Clock> make_steady_clock();

/// Events on a stream of its own, of the current CUDA device: cuda_event, cuda_event_held where
/// batches are held (runtime/stream_hold.hpp), cuda_event_led where they should be and cannot.
/// Only in builds with CUDA.
[[nodiscard]] std::unique_ptr<Clock> make_cuda_event_clock();

/// Decorates the clock of each rank: all get the slowest rank's time, so that whatever is decided
/// from times is decided alike on every rank. Of batches in a row they exchange the times of all in
/// one message at the end. That is also what lets them start the next together, as another message
/// does the first: since it a rank may have done only what takes every rank as long. A device's
/// clock runs on while others are late, so there each batch has a barrier before it. A batch that
/// fails, also if only its end tells (an asynchronous error), ends the launch. To `agreeing`,
/// unless null, is added what the messages took, but for waiting until the slowest rank was done.
/// Collective over `world`.
[[nodiscard]] std::unique_ptr<Clock> make_slowest_rank_clock(std::unique_ptr<Clock> own,
                                                             ControlPlane& world,
                                                             Seconds* agreeing = nullptr);

}  // namespace moecal::bench
