// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_nccl/recording_nccl.hpp"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <utility>

#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_nccl/nccl_clique.hpp"

namespace moecal::tests {
namespace {

std::unique_ptr<FakeNccl>& instance() {
  static auto library = std::make_unique<FakeNccl>();
  return library;
}

struct Communicator {
  std::shared_ptr<NcclClique> clique;
  int rank = 0;  // in the clique
  ncclResult_t state = ncclSuccess;
  int polls_left = 0;
  int registrations = 0;  // of memory, that live
};

// What a thread asked for between ncclGroupStart and ncclGroupEnd.
struct OpenGroup {
  int depth = 0;
  std::vector<RecordedNcclCall> calls;
  Communicator* communicator = nullptr;
  ncclResult_t status = ncclSuccess;
};

thread_local int this_rank = -1;  // of the launch; known once a thread has joined
thread_local std::string last_error;
thread_local OpenGroup open_group;

Communicator* ours(ncclComm_t communicator) {
  return reinterpret_cast<Communicator*>(communicator);
}

ncclResult_t fail(ncclResult_t status, const std::string& problem) {
  last_error = problem;
  return status;
}

/// The fault that this rank's calls of a function meet, or null.
const NcclFault* fault_of(const std::string& function) {
  for (const NcclFault& fault : fake_nccl().faults)
    if (fault.function == function && fault.rank == this_rank) return &fault;
  return nullptr;
}

RecordedNcclCall record(RecordedNcclCall call, const Communicator* communicator) {
  if (communicator != nullptr) {
    call.communicator = communicator->clique->number();
    call.rank = communicator->rank;
  }
  call.group_depth = open_group.depth;
  fake_nccl().record(this_rank, call);
  return call;
}

/// How a call ends that has done its work: a non-blocking communicator says so later.
ncclResult_t finish(const std::string& function, Communicator& communicator) {
  if (const NcclFault* fault = fault_of(function); fault != nullptr && fault->later)
    communicator.state = fault->status;
  communicator.polls_left = fake_nccl().polls_in_progress;
  return communicator.polls_left > 0 ? ncclInProgress : ncclSuccess;
}

/// Why a call is not made at all. A communicator that is not ready refuses with its own state, and
/// does not tell its rank either.
ncclResult_t refuse(const std::string& function, const Communicator* communicator) {
  if (const NcclFault* fault = fault_of(function); fault != nullptr && !fault->later)
    return fail(fault->status, "the fake says so");
  if (communicator == nullptr) return ncclSuccess;
  if (communicator->polls_left > 0)
    return fail(ncclInvalidArgument, "the communicator is still in progress");
  return communicator->state;
}

bool lies_in_a_buffer(const void* start, const RecordedNcclCall& call, int blocks) {
  const std::size_t bytes =
      call.count * element_bytes(call.type) * static_cast<std::size_t>(blocks);
  return bytes == 0 || fake_cuda().owns(start, bytes);
}

bool is_one_of(const std::string& function, std::initializer_list<const char*> functions) {
  return std::find(functions.begin(), functions.end(), function) != functions.end();
}

ncclResult_t check_buffers(const RecordedNcclCall& call, const Communicator& communicator) {
  const int size = communicator.clique->size();
  const int sent = is_one_of(call.function, {"ncclAlltoAll", "ncclReduceScatter"}) ? size : 1;
  const int received = is_one_of(call.function, {"ncclAlltoAll", "ncclAllGather"}) ? size : 1;
  const bool sends = call.function != "ncclRecv" && (call.root < 0 || call.root == call.rank);
  if (sends && !lies_in_a_buffer(call.send, call, sent))
    return fail(ncclInvalidArgument, "the data to send is not all in device memory");
  if (call.function != "ncclSend" && !lies_in_a_buffer(call.receive, call, received))
    return fail(ncclInvalidArgument, "the room to receive in is not all in device memory");
  return ncclSuccess;
}

ncclResult_t meet(Communicator& communicator, std::vector<RecordedNcclCall> calls) {
  const NcclMeeting met = communicator.clique->meet(communicator.rank, std::move(calls));
  return met.status == ncclSuccess ? ncclSuccess : fail(met.status, met.problem);
}

/// Tells the ranks that wait for this one.
ncclResult_t stay_away(NcclClique& clique, int rank, ncclResult_t status) {
  static_cast<void>(clique.meet(rank, {{.function = kFailed, .rank = rank}}));
  return status;
}

/// A call inside a group waits for ncclGroupEnd.
ncclResult_t put_off(const RecordedNcclCall& call, Communicator& communicator) {
  if (open_group.communicator != nullptr && open_group.communicator != &communicator)
    return fail(ncclInvalidUsage, "the fake NCCL has one communicator in a group");
  open_group.communicator = &communicator;
  open_group.calls.push_back(call);
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

ncclResult_t collective(RecordedNcclCall call, ncclComm_t handle) {
  Communicator& communicator = *ours(handle);
  call = record(call, &communicator);
  ncclResult_t status = begin(call, communicator);
  if (open_group.depth > 0) {
    const ncclResult_t late = put_off(call, communicator);
    if (status == ncclSuccess) status = late;
    if (status != ncclSuccess) open_group.status = status;
    return status;
  }
  if (status != ncclSuccess) return stay_away(*communicator.clique, communicator.rank, status);
  if (fake_cuda().capturing) return put_into_graph({call}, communicator);
  status = meet(communicator, {call});
  return status == ncclSuccess ? finish(call.function, communicator) : status;
}

ncclResult_t message(const RecordedNcclCall& call, ncclComm_t handle) {
  if (open_group.depth > 0) return collective(call, handle);
  static_cast<void>(record(call, ours(handle)));
  return fail(ncclInvalidUsage, call.function + " outside a group waits for its peer for ever");
}

ncclResult_t end_group() {
  const OpenGroup group = std::exchange(open_group, {});
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

/// Tells the library of memory, which has to be its own.
ncclResult_t register_memory(const RecordedNcclCall& memory, ncclComm_t handle) {
  const RecordedNcclCall call = record(memory, ours(handle));
  if (const ncclResult_t status = refuse(call.function, ours(handle)); status != ncclSuccess)
    return status;
  if (!fake_nccl().owns(call.send, call.count))
    return fail(ncclInvalidArgument, "the memory is not from ncclMemAlloc");
  count_registration(handle, 1);
  return ncclSuccess;
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

// An identity is a number; its first caller makes the clique.
std::mutex identities_mutex;
std::map<int, std::shared_ptr<NcclClique>> identities;

std::shared_ptr<NcclClique> clique_of(const ncclUniqueId& id, int size) {
  int number = 0;
  std::memcpy(&number, id.internal, sizeof number);
  const std::lock_guard lock{identities_mutex};
  auto& clique = identities.at(number);
  if (!clique) clique = std::make_shared<NcclClique>(size);
  return clique;
}

}  // namespace

std::vector<RecordedNcclCall> FakeNccl::calls(int rank) const {
  const std::lock_guard lock{mutex_};
  const auto found = calls_.find(rank);
  return found == calls_.end() ? std::vector<RecordedNcclCall>{} : found->second;
}

std::vector<RecordedNcclCall> FakeNccl::calls(int rank, const std::string& function) const {
  std::vector<RecordedNcclCall> found;
  for (const auto& call : calls(rank))
    if (call.function == function) found.push_back(call);
  return found;
}

void FakeNccl::record(int rank, const RecordedNcclCall& call) {
  const std::lock_guard lock{mutex_};
  calls_[rank].push_back(call);
}

int FakeNccl::questions(int rank) const {
  const std::lock_guard lock{mutex_};
  const auto found = questions_.find(rank);
  return found == questions_.end() ? 0 : found->second;
}

void FakeNccl::count_question(int rank) {
  const std::lock_guard lock{mutex_};
  ++questions_[rank];
}

int FakeNccl::live_communicators() const {
  const std::lock_guard lock{mutex_};
  return static_cast<int>(live_.size());
}

void FakeNccl::add_communicator(const void* communicator) {
  const std::lock_guard lock{mutex_};
  live_.insert(communicator);
}

bool FakeNccl::remove_communicator(const void* communicator) {
  const std::lock_guard lock{mutex_};
  if (live_.erase(communicator) == 1) return true;
  ++ended_twice_;
  return false;
}

void FakeNccl::count_registration(int change) { registrations_ += change; }

void FakeNccl::add_memory(const void* start, std::size_t bytes) {
  const std::lock_guard lock{mutex_};
  memory_[start] = bytes;
}

bool FakeNccl::remove_memory(const void* start) {
  const std::lock_guard lock{mutex_};
  return memory_.erase(start) == 1;
}

bool FakeNccl::owns(const void* start, std::size_t bytes) const {
  const std::lock_guard lock{mutex_};
  const auto found = memory_.find(start);
  return found != memory_.end() && found->second >= bytes;
}

FakeNccl& fake_nccl() { return *instance(); }
void reset_fake_nccl() { instance() = std::make_unique<FakeNccl>(); }

}  // namespace moecal::tests

using namespace moecal::tests;

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = fake_nccl().version;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t status) {
  return status == ncclInvalidUsage      ? "invalid usage"
         : status == ncclInvalidArgument ? "invalid argument"
         : status == ncclRemoteError     ? "remote process exited or there was a network error"
         : status == ncclInProgress      ? "NCCL operation in progress"
                                         : "some other error";
}
const char* ncclGetLastError(ncclComm_t) { return last_error.c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static_cast<void>(record({.function = "ncclGetUniqueId"}, nullptr));
  if (const ncclResult_t status = refuse("ncclGetUniqueId", nullptr); status != ncclSuccess)
    return status;
  const std::lock_guard lock{identities_mutex};
  const int number = static_cast<int>(identities.size());
  identities[number] = nullptr;
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* made, int size, ncclUniqueId id, int rank) {
  this_rank = rank;
  *made = nullptr;
  const RecordedNcclCall call =
      record({.function = "ncclCommInitRank", .rank = rank, .size = size}, nullptr);
  const auto clique = clique_of(id, size);
  if (const ncclResult_t status = refuse(call.function, nullptr); status != ncclSuccess)
    return stay_away(*clique, rank, status);
  const NcclMeeting met = clique->meet(rank, {call});
  if (met.status != ncclSuccess) return fail(met.status, met.problem);
  *made = make_communicator(clique, rank);
  return finish(call.function, *ours(*made));
}

ncclResult_t ncclCommSplit(ncclComm_t whole, int colour, int key, ncclComm_t* made, ncclConfig_t*) {
  *made = nullptr;
  Communicator& parent = *ours(whole);
  const RecordedNcclCall call =
      record({.function = "ncclCommSplit", .colour = colour, .key = key}, &parent);
  if (const ncclResult_t status = refuse(call.function, &parent); status != ncclSuccess)
    return stay_away(*parent.clique, parent.rank, status);
  const NcclMeeting met = parent.clique->meet(parent.rank, {call});
  if (met.status != ncclSuccess) return fail(met.status, met.problem);
  *made = make_communicator(met.made, met.rank_in_made);
  static_cast<void>(finish(call.function, *ours(*made)));
  parent.polls_left = fake_nccl().polls_in_progress;
  return parent.polls_left > 0 ? ncclInProgress : ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  return end_communicator("ncclCommDestroy", communicator);
}
ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  return end_communicator("ncclCommAbort", communicator);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* state) {
  fake_nccl().count_question(this_rank);
  Communicator& communicator = *ours(handle);
  const bool in_progress = communicator.polls_left > 0;
  if (in_progress) --communicator.polls_left;
  *state = in_progress ? ncclInProgress : communicator.state;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclRedOp_t reduction, ncclComm_t communicator, cudaStream_t stream) {
  return collective({.function = "ncclAllReduce",
                     .send = send,
                     .receive = receive,
                     .count = count,
                     .type = type,
                     .reduction = reduction,
                     .stream = stream},
                    communicator);
}
ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclComm_t communicator, cudaStream_t stream) {
  return collective({.function = "ncclAllGather",
                     .send = send,
                     .receive = receive,
                     .count = count,
                     .type = type,
                     .stream = stream},
                    communicator);
}
ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t reduction, ncclComm_t communicator,
                               cudaStream_t stream) {
  return collective({.function = "ncclReduceScatter",
                     .send = send,
                     .receive = receive,
                     .count = count,
                     .type = type,
                     .reduction = reduction,
                     .stream = stream},
                    communicator);
}
ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type,
                           int root, ncclComm_t communicator, cudaStream_t stream) {
  return collective({.function = "ncclBroadcast",
                     .send = send,
                     .receive = receive,
                     .count = count,
                     .type = type,
                     .root = root,
                     .stream = stream},
                    communicator);
}
ncclResult_t ncclAlltoAll(const void* send, void* receive, size_t count, ncclDataType_t type,
                          ncclComm_t communicator, cudaStream_t stream) {
  return collective({.function = "ncclAlltoAll",
                     .send = send,
                     .receive = receive,
                     .count = count,
                     .type = type,
                     .stream = stream},
                    communicator);
}
ncclResult_t ncclSend(const void* send, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t communicator, cudaStream_t stream) {
  return message({.function = "ncclSend",
                  .send = send,
                  .count = count,
                  .type = type,
                  .peer = peer,
                  .stream = stream},
                 communicator);
}
ncclResult_t ncclRecv(void* receive, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t communicator, cudaStream_t stream) {
  return message({.function = "ncclRecv",
                  .receive = receive,
                  .count = count,
                  .type = type,
                  .peer = peer,
                  .stream = stream},
                 communicator);
}

ncclResult_t ncclMemAlloc(void** pointer, size_t bytes) {
  if (const ncclResult_t status = refuse("ncclMemAlloc", nullptr); status != ncclSuccess)
    return status;
  if (cudaMalloc(pointer, bytes) != cudaSuccess)
    return fail(ncclUnhandledCudaError, "no device memory left");
  fake_nccl().add_memory(*pointer, bytes);
  return ncclSuccess;
}
ncclResult_t ncclMemFree(void* pointer) {
  if (!fake_nccl().remove_memory(pointer))
    return fail(ncclInvalidArgument, "the memory is not from ncclMemAlloc");
  return cudaFree(pointer) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}
ncclResult_t ncclCommRegister(const ncclComm_t communicator, void* start, size_t bytes,
                              void** handle) {
  *handle = start;
  return register_memory({.function = "ncclCommRegister", .send = start, .count = bytes},
                         communicator);
}
ncclResult_t ncclCommDeregister(const ncclComm_t communicator, void* handle) {
  static_cast<void>(record({.function = "ncclCommDeregister", .send = handle}, ours(communicator)));
  count_registration(communicator, -1);
  return ncclSuccess;
}
ncclResult_t ncclCommWindowRegister(ncclComm_t communicator, void* start, size_t bytes,
                                    ncclWindow_t* window, int flags) {
  *window = reinterpret_cast<ncclWindow_t>(start);
  return register_memory(
      {.function = "ncclCommWindowRegister", .send = start, .count = bytes, .key = flags},
      communicator);
}
ncclResult_t ncclCommWindowDeregister(ncclComm_t communicator, ncclWindow_t window) {
  static_cast<void>(
      record({.function = "ncclCommWindowDeregister", .send = window}, ours(communicator)));
  count_registration(communicator, -1);
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  static_cast<void>(record({.function = "ncclGroupStart"}, nullptr));
  ++open_group.depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  static_cast<void>(record({.function = "ncclGroupEnd"}, open_group.communicator));
  if (open_group.depth == 0) return fail(ncclInvalidUsage, "no group is open");
  if (--open_group.depth > 0) return ncclSuccess;
  return end_group();
}

}  // extern "C"
