// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "tests/recording_nccl/nccl_clique.hpp"

/// What the fake NCCL's entry points do.
namespace moecal::tests {

struct Communicator {
  std::shared_ptr<NcclClique> clique;
  int rank = 0;  // in the clique
  ncclResult_t state = ncclSuccess;
  int polls_left = 0;
  int registrations = 0;  // of memory, that live
};

/// What a thread asked for between ncclGroupStart and ncclGroupEnd.
struct OpenGroup {
  int depth = 0;
  std::vector<RecordedNcclCall> calls;
  Communicator* communicator = nullptr;
  ncclResult_t status = ncclSuccess;
};

/// What the library keeps of a thread that calls it.
struct Caller {
  int rank = -1;  // of the launch; known once it has joined
  std::string last_error;
  OpenGroup group;
};
/// Of the calling thread.
Caller& caller();

[[nodiscard]] Communicator* ours(ncclComm_t communicator);
ncclResult_t fail(ncclResult_t status, const std::string& problem);
RecordedNcclCall record(RecordedNcclCall call, const Communicator* communicator);
/// How a call ends that has done its work: a non-blocking communicator says so later.
ncclResult_t finish(const std::string& function, Communicator& communicator);
/// Why a call is not made at all. A communicator that is not ready refuses with its own state, and
/// does not tell its rank either.
ncclResult_t refuse(const std::string& function, const Communicator* communicator);
/// Tells the ranks that wait for this one.
ncclResult_t stay_away(NcclClique& clique, int rank, ncclResult_t status);
ncclResult_t collective(RecordedNcclCall call, ncclComm_t handle);
ncclResult_t message(const RecordedNcclCall& call, ncclComm_t handle);
ncclResult_t end_group();
void count_registration(ncclComm_t handle, int change);
/// Tells the library of memory, which has to be its own.
ncclResult_t register_memory(const RecordedNcclCall& memory, ncclComm_t handle);
/// Success, and nothing is known of the memory.
ncclResult_t pass_over(const RecordedNcclCall& memory, ncclComm_t handle);
/// Whether the environment leaves it on, as NCCL reads it.
[[nodiscard]] bool is_on(const char* variable);
/// The handle of a plain registration, which is host memory.
[[nodiscard]] void* registration(ncclComm_t handle);
/// What 2.28 and later give for a window: one in device memory, or where none can be made a plain
/// registration (2.28) or null (2.29).
[[nodiscard]] void* window_for(void* start, ncclComm_t handle);
ncclComm_t make_communicator(std::shared_ptr<NcclClique> clique, int rank);
ncclResult_t end_communicator(const std::string& function, ncclComm_t handle);

}  // namespace moecal::tests
