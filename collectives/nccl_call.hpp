// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "collectives/collective.hpp"
#include "runtime/check_nccl.hpp"

/// For NCCL's backend files only: NCCL's header comes with it.
namespace moecal::collectives {

/// What was asked of NCCL; a sentence only when it failed, because calls are timed.
struct NcclCall {
  const char* function = "";
  std::int64_t bytes = 0;
  NcclCommunicator communicator{};
  int peer = -1;  // of a send or receive
};

/// @throws Error naming the function, its bytes, this rank and what NCCL said.
void check_call(ncclResult_t status, const NcclCall& call);
/// The same, and waits while NCCL says "in progress", as it does where NCCL_COMM_BLOCKING=0 makes
/// communicators non-blocking. @throws Error also after $MOECAL_TIMEOUT_S.
void finish_call(ncclResult_t status, const NcclCall& call);

/// Calls that NCCL launches together, from construction to launch(). If something throws in
/// between, the destructor closes the group: NCCL would hold this thread's later calls back.
class NcclGroupCall {
 public:
  NcclGroupCall();
  ~NcclGroupCall();
  NcclGroupCall(const NcclGroupCall&) = delete;
  NcclGroupCall& operator=(const NcclGroupCall&) = delete;

  /// `call`: the whole group, for its sentence.
  void launch(const NcclCall& call);

 private:
  bool open_ = true;
};

/// Ends a communicator whatever is still under way on it. Sets it to null, as release() does.
void abort(NcclCommunicator& communicator) noexcept;

/// Destroys a communicator, or aborts it if something failed on it: destroying would wait for what
/// can no longer end. Sets it to null; nothing happens if it is.
void release(NcclCommunicator& communicator) noexcept;

}  // namespace moecal::collectives
