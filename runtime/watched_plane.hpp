// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <memory>

#include "runtime/activity.hpp"
#include "runtime/control_plane.hpp"

namespace moecal {

/// The same plane with a watchdog (runtime/watchdog.hpp), which goes on while the plane's owner
/// computes or waits elsewhere; its abort() tells the other ranks first. A single rank's plane is
/// returned as it is: nobody waits for it. `activity` outlives the plane. Collective over `plane`.
[[nodiscard]] std::unique_ptr<ControlPlane> make_watched_plane(std::unique_ptr<ControlPlane> plane,
                                                               const Activity& activity,
                                                               std::chrono::milliseconds timeout);

}  // namespace moecal
