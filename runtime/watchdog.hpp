// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "runtime/activity.hpp"
#include "runtime/control_plane.hpp"

namespace moecal {

/// A thread of each rank that ends the launch when it cannot go on, wherever its ranks wait: in a
/// collective of MPI or NCCL too, which never returns when a peer is gone. It knows of
///  - a rank whose process ended, at once, and one that is stopped or cut off, after the time-out:
///    the watchdogs send one another signs of life, through rank 0, by connections of their own;
///  - a step of this rank in which no rank makes progress for longer than its limit (Activity).
/// Every rank left says which rank it is, on which host, in which point and step, and why. A rank
/// that can connect to none of rank 0's addresses says so and watches its own steps only.
class Watchdog {
 public:
  struct Setup {
    std::chrono::milliseconds timeout;
    /// What to do with the sentence; by default it is written to stderr, and a moment later, in
    /// which the other ranks write theirs, the process ends with status 1.
    std::function<void(const std::string& sentence)> end = write_and_exit;
  };

  /// Collective over `world`. @throws RankLost
  Watchdog(ControlPlane& world, const Activity& activity, Setup setup);
  /// Takes leave of the other watchdogs: that this rank ends is no failure.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// This rank failed: has every other rank say so and end; `reason` goes on after "rank 1 of 4".
  /// Returns when they are told; false if this rank's watchdog has ended the launch already.
  bool tell(const std::string& reason);
  /// To be called, on a thread of its own, when this rank ends the launch or learns of its end:
  /// before `end`, which does not wait for it.
  void at_early_end(std::function<void()> last_act);
  /// Which rank this is, on which host, in which point and step, and the reason.
  [[nodiscard]] std::string sentence(const std::string& reason) const;

  static void write_and_exit(const std::string& sentence);

 private:
  class Watch;
  std::unique_ptr<Watch> watch_;
};

/// How long write_and_exit() leaves to the other ranks.
inline constexpr std::chrono::seconds kLastMoment{1};

}  // namespace moecal
