// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>

#include "bench/benchmark.hpp"
#include "collectives/collective_bench.hpp"

namespace moecal::collectives {

/// How a rank reaches its group: by MPI, or by NCCL from a device.
struct GroupLink {
  ControlPlane* mpi = nullptr;   // null: by NCCL
  NcclGroups* groups = nullptr;  // of `nccl`
  NcclCommunicator nccl{};
  int device = -1;
  Membership where;

  /// Trial::check_progress of `operation`. @throws Error
  void check_progress(const std::string& operation, Seconds waited) const;
  [[nodiscard]] LibraryInfo library() const;
  /// Launches once more, outside of all timing, and waits for it; a peer that is gone ends the
  /// wait, as it does where calls are timed. On a communicator on which something failed no rank
  /// can go on: it is given up before its buffers are. @throws RankLost then, which ends the launch
  void call_once(const std::string& operation, const std::function<void(Stream)>& launch) const;
};

/// Collective over the world of `context` on the first call for a way to group it.
/// @throws InvalidInput, Unsupported.
[[nodiscard]] GroupLink connect(LaunchGroups& groups, const bench::Implementation& implementation,
                                const Ranks& ranks, bench::Context& context);

/// The same of NCCL alone; without NCCL, for a call that never comes.
[[nodiscard]] GroupLink connect_nccl(NcclGroups& groups, const GroupSpec& spec,
                                     bench::Context& context);
/// @throws Unsupported on a rank without a CUDA device, before NCCL is called.
void check_device(const bench::Context& context);

}  // namespace moecal::collectives
