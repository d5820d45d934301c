// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_nccl/fake_calls.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "tests/fakes/fake_cuda_runtime.hpp"

namespace moecal::tests {

Caller& caller() {
  static thread_local Caller calling;
  return calling;
}

Communicator* ours(ncclComm_t communicator) {
  return reinterpret_cast<Communicator*>(communicator);
}

ncclResult_t fail(ncclResult_t status, const std::string& problem) {
  caller().last_error = problem;
  return status;
}

namespace {

/// The fault that this rank's calls of a function meet, or null.
const NcclFault* fault_of(const std::string& function) {
  for (const NcclFault& fault : fake_nccl().faults)
    if (fault.function == function && fault.rank == caller().rank) return &fault;
  return nullptr;
}

}  // namespace

RecordedNcclCall record(RecordedNcclCall call, const Communicator* communicator) {
  if (communicator != nullptr) {
    call.communicator = communicator->clique->number();
    call.rank = communicator->rank;
  }
  call.group_depth = caller().group.depth;
  fake_nccl().record(caller().rank, call);
  return call;
}

ncclResult_t finish(const std::string& function, Communicator& communicator) {
  if (const NcclFault* fault = fault_of(function); fault != nullptr && fault->later)
    communicator.state = fault->status;
  communicator.polls_left = fake_nccl().polls_in_progress;
  return communicator.polls_left > 0 ? ncclInProgress : ncclSuccess;
}

ncclResult_t refuse(const std::string& function, const Communicator* communicator) {
  if (const NcclFault* fault = fault_of(function); fault != nullptr && !fault->later)
    return fail(fault->status, "the fake says so");
  if (communicator == nullptr) return ncclSuccess;
  if (communicator->polls_left > 0)
    return fail(ncclInvalidArgument, "the communicator is still in progress");
  return communicator->state;
}

namespace {

ncclResult_t check_buffers(const RecordedNcclCall& call, const Communicator& communicator) {
  const int ranks = communicator.clique->size();
  const auto lies_in_a_buffer = [](const void* start, std::size_t bytes) {
    return bytes == 0 || fake_cuda().owns(start, bytes);
  };
  if (!lies_in_a_buffer(call.send, sent_bytes(call, ranks)))
    return fail(ncclInvalidArgument, "the data to send is not all in device memory");
  if (!lies_in_a_buffer(call.receive, received_bytes(call, ranks)))
    return fail(ncclInvalidArgument, "the room to receive in is not all in device memory");
  return ncclSuccess;
}

ncclResult_t meet(Communicator& communicator, std::vector<RecordedNcclCall> calls) {
  const NcclMeeting met = communicator.clique->meet(communicator.rank, std::move(calls));
  return met.status == ncclSuccess ? ncclSuccess : fail(met.status, met.problem);
}

}  // namespace

ncclResult_t stay_away(NcclClique& clique, int rank, ncclResult_t status) {
  static_cast<void>(clique.meet(rank, {{.function = kFailed, .rank = rank}}));
  return status;
}

namespace {

/// A call inside a group waits for ncclGroupEnd.
ncclResult_t put_off(const RecordedNcclCall& call, Communicator& communicator) {
  if (caller().group.communicator != nullptr && caller().group.communicator != &communicator)
    return fail(ncclInvalidUsage, "the fake NCCL has one communicator in a group");
  caller().group.communicator = &communicator;
  caller().group.calls.push_back(call);
  return ncclSuccess;
}

ncclResult_t begin(const RecordedNcclCall& call, Communicator& communicator) {
  const ncclResult_t status = refuse(call.function, &communicator);
  return status == ncclSuccess ? check_buffers(call, communicator) : status;
}

/// Leaves calls to each launch of the graph that is captured: no rank waits for another before.
ncclResult_t put_into_graph(const std::vector<RecordedNcclCall>& calls,
                            Communicator& communicator) {
  const auto replay = [calls, &communicator] {
    for (const auto& call : calls) static_cast<void>(record(call, &communicator));
    const ncclResult_t status = meet(communicator, calls);
    if (status != ncclSuccess) communicator.state = status;
  };
  if (fake_cuda().run(calls.front().stream, replay)) return ncclSuccess;
  return fail(ncclInvalidUsage, "the stream is not part of the capture under way");
}

}  // namespace

ncclResult_t collective(RecordedNcclCall call, ncclComm_t handle) {
  Communicator& communicator = *ours(handle);
  call = record(call, &communicator);
  ncclResult_t status = begin(call, communicator);
  if (caller().group.depth > 0) {
    const ncclResult_t late = put_off(call, communicator);
    if (status == ncclSuccess) status = late;
    if (status != ncclSuccess) caller().group.status = status;
    return status;
  }
  if (status != ncclSuccess) return stay_away(*communicator.clique, communicator.rank, status);
  if (fake_cuda().capturing) return put_into_graph({call}, communicator);
  status = meet(communicator, {call});
  return status == ncclSuccess ? finish(call.function, communicator) : status;
}

ncclResult_t message(const RecordedNcclCall& call, ncclComm_t handle) {
  if (caller().group.depth > 0) return collective(call, handle);
  static_cast<void>(record(call, ours(handle)));
  return fail(ncclInvalidUsage, call.function + " outside a group waits for its peer for ever");
}

ncclResult_t end_group() {
  const OpenGroup group = std::exchange(caller().group, {});
  if (group.communicator == nullptr) return group.status;
  Communicator& communicator = *group.communicator;
  const ncclResult_t status =
      group.status == ncclSuccess ? refuse("ncclGroupEnd", nullptr) : group.status;
  if (status != ncclSuccess) return stay_away(*communicator.clique, communicator.rank, status);
  if (fake_cuda().capturing) return put_into_graph(group.calls, communicator);
  const ncclResult_t met = meet(communicator, group.calls);
  return met == ncclSuccess ? finish("ncclGroupEnd", communicator) : met;
}

void count_registration(ncclComm_t handle, int change) {
  ours(handle)->registrations += change;
  fake_nccl().count_registration(change);
}

ncclResult_t register_memory(const RecordedNcclCall& memory, ncclComm_t handle) {
  const RecordedNcclCall call = record(memory, ours(handle));
  if (const ncclResult_t status = refuse(call.function, ours(handle)); status != ncclSuccess)
    return status;
  if (!fake_nccl().owns(call.send, call.count))
    return fail(ncclInvalidArgument, "the memory is not from ncclMemAlloc");
  count_registration(handle, 1);
  return ncclSuccess;
}

ncclResult_t pass_over(const RecordedNcclCall& memory, ncclComm_t handle) {
  static_cast<void>(record(memory, ours(handle)));
  return ncclSuccess;
}

bool is_on(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr || std::string_view{value} != "0";
}

void* registration(ncclComm_t handle) { return ours(handle); }

void* window_for(void* start, ncclComm_t handle) {
  if (fake_nccl().all_gpus_reach && is_on("NCCL_WIN_ENABLE")) return start;
  return fake_nccl().version < 22'900 && is_on("NCCL_LOCAL_REGISTER") ? registration(handle)
                                                                      : nullptr;
}

ncclComm_t make_communicator(std::shared_ptr<NcclClique> clique, int rank) {
  auto* made = new Communicator{std::move(clique), rank};
  fake_nccl().add_communicator(made);
  return reinterpret_cast<ncclComm_t>(made);
}

ncclResult_t end_communicator(const std::string& function, ncclComm_t handle) {
  if (!fake_nccl().remove_communicator(handle))
    return fail(ncclInvalidArgument, "there is no such communicator, or no longer");
  static_cast<void>(record({.function = function}, ours(handle)));
  // An abort takes what was registered with it; before a communicator is destroyed it is taken
  // back.
  if (function == "ncclCommAbort") count_registration(handle, -ours(handle)->registrations);
  delete ours(handle);
  return ncclSuccess;
}

}  // namespace moecal::tests
