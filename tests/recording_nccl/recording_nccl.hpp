// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nccl.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

/// An NCCL without devices, linked in place of the real one, for ranks that are threads of one
/// process or processes of an mpirun, by the clique that a test links (nccl_clique.hpp). It records
/// what each rank of this process asks for, and moves the data between the ranks' buffers from the
/// recorded calls alone. Calls that the ranks of a communicator do not all make, or make
/// differently, fail as they would hang or corrupt with the real one.
namespace moecal::tests {

/// One call of one rank. What a function is not told keeps its default.
struct RecordedNcclCall {
  std::string function;
  int communicator = -1;  // the clique's number; ranks of one clique share it
  int rank = -1;          // in that clique
  const void* send = nullptr;
  void* receive = nullptr;
  std::size_t count = 0;
  ncclDataType_t type = ncclNumTypes;
  ncclRedOp_t reduction = ncclNumOps;
  int peer = -1;
  int root = -1;
  cudaStream_t stream = nullptr;
  int colour = -1;
  int key = -1;
  int size = 0;         // ranks of a communicator that is made
  int group_depth = 0;  // of ncclGroupStart around the call
};

/// What a rank's calls of a function say; the ranks that wait for it fail too.
struct NcclFault {
  std::string function;
  int rank = 0;  // of the launch
  ncclResult_t status = ncclSystemError;
  bool later = false;  // the call succeeds and ncclCommGetAsyncError says it
};

/// The one fake library of the process. Its fields are set while no rank runs.
class FakeNccl {
 public:
  std::vector<NcclFault> faults;
  int version = 22'809;        // what ncclGetVersion says
  int polls_in_progress = 0;   // above 0: communicators are non-blocking and need so many polls
  bool all_gpus_reach = true;  // P2P, which symmetric windows need

  /// What one rank of the launch did, in its order. A thread is rank -1 before it joins.
  [[nodiscard]] std::vector<RecordedNcclCall> calls(int rank) const;
  /// Those of one function.
  [[nodiscard]] std::vector<RecordedNcclCall> calls(int rank, const std::string& function) const;
  /// How often a rank called ncclCommGetAsyncError, which is not recorded among its calls.
  [[nodiscard]] int questions(int rank) const;
  /// Communicators made and neither destroyed nor aborted.
  [[nodiscard]] int live_communicators() const;
  /// Attempts to end what is no communicator, or was ended before.
  [[nodiscard]] int ended_twice() const { return ended_twice_; }

  /// Registrations and windows made and not taken back.
  [[nodiscard]] int live_registrations() const { return registrations_; }
  /// True if the memory begins at an allocation of ncclMemAlloc, and is not longer.
  [[nodiscard]] bool owns(const void* start, std::size_t bytes) const;

  void count_registration(int change);
  void add_memory(const void* start, std::size_t bytes);
  [[nodiscard]] bool remove_memory(const void* start);
  void count_question(int rank);
  void record(int rank, const RecordedNcclCall& call);
  void add_communicator(const void* communicator);
  [[nodiscard]] bool remove_communicator(const void* communicator);

 private:
  mutable std::mutex mutex_;
  std::map<int, std::vector<RecordedNcclCall>> calls_;
  std::map<int, int> questions_;
  std::set<const void*> live_;
  std::atomic<int> ended_twice_ = 0;
  std::map<const void*, std::size_t> memory_;  // ncclMemAlloc's
  std::atomic<int> registrations_ = 0;
};

FakeNccl& fake_nccl();
/// A fresh library, as a new process has.
void reset_fake_nccl();

}  // namespace moecal::tests
