// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_call.hpp"

#include <chrono>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "runtime/tcp_plane.hpp"

namespace moecal::collectives {
namespace {

std::string sentence(const NcclCall& call) {
  std::string text = call.function;
  if (call.bytes > 0) text += " of " + std::to_string(call.bytes) + " bytes";
  if (call.peer >= 0) text += " with rank " + std::to_string(call.peer);
  return text + " on rank " + std::to_string(call.communicator.rank) + " of a group of " +
         std::to_string(call.communicator.size);
}

ncclResult_t state_of(ncclComm_t communicator) {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t status = ncclCommGetAsyncError(communicator, &state);
  return status == ncclSuccess ? state : status;
}

ncclResult_t wait_while_in_progress(const NcclCall& call) {
  const auto timeout = timeout_from_environment();
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const ncclResult_t state = state_of(call.communicator.handle);
    if (state != ncclInProgress) return state;
    if (std::chrono::steady_clock::now() > end)
      throw Error{sentence(call) + " is still in progress after " +
                  std::to_string(timeout.count() / 1000) + " s ($MOECAL_TIMEOUT_S)"};
    std::this_thread::sleep_for(std::chrono::microseconds{50});
  }
}

}  // namespace

void check_call(ncclResult_t status, const NcclCall& call) {
  if (status != ncclSuccess) check(status, sentence(call));
}

void finish_call(ncclResult_t status, const NcclCall& call) {
  if (status == ncclInProgress) status = wait_while_in_progress(call);
  check_call(status, call);
}

NcclGroupCall::NcclGroupCall() { check(ncclGroupStart(), "ncclGroupStart"); }

NcclGroupCall::~NcclGroupCall() {
  // Its status repeats the error that is being thrown.
  if (open_) static_cast<void>(ncclGroupEnd());
}

void NcclGroupCall::launch(const NcclCall& call) {
  open_ = false;
  finish_call(ncclGroupEnd(), call);
}

void abort(NcclCommunicator& communicator) noexcept {
  if (ncclComm_t last = std::exchange(communicator.handle, nullptr); last != nullptr)
    check_in_destructor(ncclCommAbort(last), "ncclCommAbort");
}

void release(NcclCommunicator& communicator) noexcept {
  if (communicator.handle == nullptr) return;
  if (state_of(communicator.handle) != ncclSuccess) return abort(communicator);
  check_in_destructor(ncclCommDestroy(std::exchange(communicator.handle, nullptr)),
                      "ncclCommDestroy");
}

}  // namespace moecal::collectives
