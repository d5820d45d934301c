// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_nccl/recording_nccl.hpp"

#include <cstring>

#include "tests/recording_nccl/fake_calls.hpp"

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
const char* ncclGetLastError(ncclComm_t) { return caller().last_error.c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> identities = 0;
  static_cast<void>(record({.function = "ncclGetUniqueId"}, nullptr));
  if (const ncclResult_t status = refuse("ncclGetUniqueId", nullptr); status != ncclSuccess)
    return status;
  const int number = identities++;
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* made, int size, ncclUniqueId id, int rank) {
  caller().rank = rank;
  *made = nullptr;
  const RecordedNcclCall call =
      record({.function = "ncclCommInitRank", .rank = rank, .size = size}, nullptr);
  int identity = 0;
  std::memcpy(&identity, id.internal, sizeof identity);
  const auto clique = find_clique(identity, size);
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
  fake_nccl().count_question(caller().rank);
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
  const RecordedNcclCall memory{.function = "ncclCommRegister", .send = start, .count = bytes};
  const bool registers = is_on("NCCL_LOCAL_REGISTER");
  *handle = registers ? registration(communicator) : nullptr;
  return registers ? register_memory(memory, communicator) : pass_over(memory, communicator);
}
ncclResult_t ncclCommDeregister(const ncclComm_t communicator, void* handle) {
  static_cast<void>(record({.function = "ncclCommDeregister", .send = handle}, ours(communicator)));
  count_registration(communicator, -1);
  return ncclSuccess;
}
ncclResult_t ncclCommWindowRegister(ncclComm_t communicator, void* start, size_t bytes,
                                    ncclWindow_t* window, int flags) {
  const RecordedNcclCall memory{
      .function = "ncclCommWindowRegister", .send = start, .count = bytes, .key = flags};
  *window = reinterpret_cast<ncclWindow_t>(window_for(start, communicator));
  return *window == nullptr ? pass_over(memory, communicator)
                            : register_memory(memory, communicator);
}
ncclResult_t ncclCommWindowDeregister(ncclComm_t communicator, ncclWindow_t window) {
  static_cast<void>(
      record({.function = "ncclCommWindowDeregister", .send = window}, ours(communicator)));
  count_registration(communicator, -1);
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  static_cast<void>(record({.function = "ncclGroupStart"}, nullptr));
  ++caller().group.depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  static_cast<void>(record({.function = "ncclGroupEnd"}, caller().group.communicator));
  if (caller().group.depth == 0) return fail(ncclInvalidUsage, "no group is open");
  if (--caller().group.depth > 0) return ncclSuccess;
  return end_group();
}

}  // extern "C"
