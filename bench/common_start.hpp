// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/units.hpp"
#include "runtime/control_plane.hpp"

namespace moecal::bench {

/// The clock by which ranks wait for a moment; a test hands in its own.
struct HostTime {
  std::function<double()> now;                    // seconds of a monotonic clock
  std::function<void(double moment)> wait_until;  // returns at once if the moment has passed
  std::string clock;  // ranks that give the same word read the same clock
};
/// The monotonic clock of the running kernel.
[[nodiscard]] HostTime steady_host_time();

/// Lets all ranks go on at one agreed moment. A barrier lets them go one after another, and that
/// stagger would be read as lateness of the ranks themselves. The clocks of hosts differ: how much
/// is bounded once, when the object is made, by messages that cannot arrive before they are sent.
class CommonStart {
 public:
  /// Collective over `world`.
  CommonStart(ControlPlane& world, HostTime time);

  /// Waits for the agreed moment, if rank 0 wants another; false on every rank if it does not. Of
  /// each number of `told`, as many on every rank, all get the largest. Collective.
  [[nodiscard]] bool wait(bool wanted, std::span<double> told = {});
  /// How far off the last moment this rank may have gone on through no fault of its own: what its
  /// clock may be off by, and how long after the moment it heard of it.
  [[nodiscard]] Seconds error() const { return uncertainty_ + Seconds{late_}; }
  /// What the ranks' message about the last moment took, other ranks' lateness included.
  [[nodiscard]] Seconds exchanged() const { return exchanged_; }
  [[nodiscard]] double now() const { return time_.now(); }
  [[nodiscard]] ControlPlane& world() const { return world_; }

 private:
  void bound_offset();
  [[nodiscard]] double from_rank_0(double value);

  ControlPlane& world_;
  HostTime time_;
  double offset_ = 0;  // this rank's clock minus rank 0's
  Seconds uncertainty_{0};
  double margin_ = 100e-6;  // that the moment lies ahead of its announcement
  double late_ = 0;
  Seconds exchanged_{0};
  std::vector<double> message_;
};

}  // namespace moecal::bench
