// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/error.hpp"

namespace moecal {

/// A rank is gone, late or out of step: the launch cannot go on, and what is left of it is to be
/// aborted. Unlike other errors it need not be thrown on every rank.
struct RankLost : Error {
  using Error::Error;
};

/// What ranks need from one another besides the operation that is measured: agreement. Every call
/// but rank(), size(), native() and abort() is collective over the plane's ranks and, but for
/// wait_for_all(), ends within the plane's time-out.
/// @throws RankLost naming the rank that is missing or gone, and the call.
class ControlPlane {
 public:
  virtual ~ControlPlane() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  virtual void barrier() = 0;
  /// A barrier for after work whose length follows from the input, such as filling and checking
  /// buffers: however long others take, as long as they live. Says on stderr, once per time-out,
  /// that it still waits. In planes without a time-out: barrier().
  virtual void wait_for_all() { barrier(); }
  /// Somebody else ends the launch when a rank is gone or stuck (runtime/watchdog.hpp): from now on
  /// every call waits as wait_for_all() does.
  virtual void leave_time_outs_to_watchdog() {}
  /// While set, this rank's waits leave cores and memory to others: it takes no part in what they
  /// measure. Not collective.
  virtual void idle(bool /*on*/) {}
  /// Element-wise maximum over ranks, in place, the same on every rank.
  virtual void max(std::span<double> values) = 0;
  /// Root's bytes on every rank; every rank passes a buffer of the same size.
  virtual void broadcast(std::span<char> bytes, int root) = 0;
  /// The ranks that pass the same colour, ordered by rank.
  [[nodiscard]] virtual std::unique_ptr<ControlPlane> split(int colour) = 0;
  /// The implementation's own communicator for backends that need it (MPI_Comm*), else nullptr.
  [[nodiscard]] virtual void* native() { return nullptr; }
  /// What this process does if the launch is ended before its time, for at most a second: called
  /// once, from any thread, while this rank's own may wait for ranks that are gone. Forgotten by
  /// planes that nobody watches.
  virtual void at_early_end(std::function<void()> /*last_act*/) {}
  /// Ends every rank of the launch after this rank failed, and says so on stderr; does not return.
  /// `reason` goes on after "rank 1 of 4": "failed: out of memory".
  [[noreturn]] virtual void abort(int exit_status, const std::string& reason) = 0;

  [[nodiscard]] double max(double value) {
    max(std::span<double>{&value, 1});
    return value;
  }
  [[nodiscard]] double min(double value) { return -max(-value); }
};

/// One rank, alone.
[[nodiscard]] std::unique_ptr<ControlPlane> make_single_rank_plane();

/// The plane of this launch, chosen by how the process was started: MPI if mpirun (or srun with
/// PMIx) started it and this build has MPI; $MOECAL_RANKS=N starts N ranks on this node by fork;
/// RANK and WORLD_SIZE, or SLURM_PROCID, meet over TCP; else one rank. With MOECAL_RANKS the
/// calling process waits for its ranks and exits with their status, and only they return from
/// here: call before threads or CUDA are started. In library moecal_runtime_mpi; the arguments are
/// left as they are.
/// @throws InvalidInput if the environment contradicts itself.
[[nodiscard]] std::unique_ptr<ControlPlane> make_control_plane(int& argc, char**& argv);

}  // namespace moecal
