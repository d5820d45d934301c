// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/watched_plane.hpp"

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "runtime/watchdog.hpp"

namespace moecal {
namespace {

class WatchedPlane final : public ControlPlane {
 public:
  WatchedPlane(std::unique_ptr<ControlPlane> plane, const Activity& activity,
               std::chrono::milliseconds timeout)
      : plane_{std::move(plane)}, watchdog_{*plane_, activity, {.timeout = timeout}} {
    plane_->leave_time_outs_to_watchdog();
  }

  [[nodiscard]] int rank() const override { return plane_->rank(); }
  [[nodiscard]] int size() const override { return plane_->size(); }
  void barrier() override { plane_->barrier(); }
  void idle(bool on) override { plane_->idle(on); }
  void wait_for_all() override { plane_->wait_for_all(); }
  using ControlPlane::max;
  void max(std::span<double> values) override { plane_->max(values); }
  void broadcast(std::span<char> bytes, int root) override { plane_->broadcast(bytes, root); }
  [[nodiscard]] std::unique_ptr<ControlPlane> split(int colour) override {
    return plane_->split(colour);
  }
  [[nodiscard]] void* native() override { return plane_->native(); }

  void at_early_end(std::function<void()> last_act) override {
    watchdog_.at_early_end(std::move(last_act));
  }

  [[noreturn]] void abort(int exit_status, const std::string& reason) override {
    if (watchdog_.tell(reason))
      std::fputs(watchdog_.sentence("this rank " + reason).c_str(), stderr);
    // Launchers end all ranks when they see one end: the others are to say where they are first.
    std::this_thread::sleep_for(kLastMoment);
    plane_->abort(exit_status, reason);
    std::_Exit(exit_status);
  }

 private:
  std::unique_ptr<ControlPlane> plane_;
  Watchdog watchdog_;
};

}  // namespace

std::unique_ptr<ControlPlane> make_watched_plane(std::unique_ptr<ControlPlane> plane,
                                                 const Activity& activity,
                                                 std::chrono::milliseconds timeout) {
  if (plane->size() == 1) return plane;
  return std::make_unique<WatchedPlane>(std::move(plane), activity, timeout);
}

}  // namespace moecal
