// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "collectives/collective.hpp"
#include "collectives/groups.hpp"
#include "core/units.hpp"
#include "runtime/control_plane.hpp"

namespace moecal::collectives {

/// The NCCL communicators of a launch: one of all ranks, whose identity rank 0 broadcasts, and one
/// per way to group it, split from that. A device must be current.
class NcclGroups {
 public:
  NcclGroups();
  ~NcclGroups();
  NcclGroups(const NcclGroups&) = delete;
  NcclGroups& operator=(const NcclGroups&) = delete;

  /// This rank's group. Collective over `world` on the first call for a spec.
  /// @throws Error on every rank if one fails, with what NCCL said there; the next call tries anew.
  [[nodiscard]] NcclCommunicator of(const GroupSpec& spec, ControlPlane& world);

  /// Whether `operation`, which has taken `waited` so far, can still end.
  /// @throws Error as check_async_error() and check_waited() do. Nothing says that a peer is gone
  /// when the time is up, and destroying a communicator would wait for it: all are aborted then, as
  /// they are when the launch is ended (ControlPlane::at_early_end).
  void check_progress(NcclCommunicator communicator, const std::string& operation, Seconds waited);
  /// Aborts this rank's communicators: something failed on one, and kernels that wait for a peer
  /// would hold its buffers for ever. Not collective: the launch is to end.
  void give_up() noexcept;

 private:
  class Made;  // shared with the plane's last act
  std::shared_ptr<Made> made_;
};

/// NCCL reports what went wrong on the wire later, and only when asked.
/// @throws Error naming the rank, the operation and what NCCL said.
void check_async_error(NcclCommunicator communicator, const std::string& operation);

/// @throws Error naming the rank and the operation, if it has taken over $MOECAL_TIMEOUT_S: a peer
/// that is gone may never be reported.
void check_waited(NcclCommunicator communicator, const std::string& operation, Seconds waited);

/// Of the NCCL library that runs, not of its header: 22809, and "2.28.9".
[[nodiscard]] int nccl_version_code();
[[nodiscard]] std::string nccl_library_version();

}  // namespace moecal::collectives
