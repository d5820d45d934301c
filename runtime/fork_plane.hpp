// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <functional>
#include <memory>

#include "runtime/control_plane.hpp"

namespace moecal {

/// What fork_ranks returns: in a rank its plane; in the process that called it, after every rank
/// ended, no plane and a status: 0, or the first failure's (128 + signal if a rank was killed).
struct Forked {
  std::unique_ptr<ControlPlane> plane{};
  int status = 0;
};

/// Starts `ranks` child processes and, in the calling process, waits for them. A child that is
/// killed or fails is printed with its rank, and ends the others after a moment in which they may
/// say what they saw. Call before threads or CUDA are started.
[[nodiscard]] Forked fork_ranks(int ranks, std::chrono::milliseconds timeout);

/// What every rank of run_forked runs: returns its exit status.
using RankBody = std::function<int(ControlPlane&)>;

/// fork_ranks for a function: children run `body` and end; an exception is printed and is status 1.
[[nodiscard]] int run_forked(int ranks, std::chrono::milliseconds timeout, const RankBody& body);

}  // namespace moecal
