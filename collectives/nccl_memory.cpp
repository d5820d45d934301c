// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_memory.hpp"

#include "collectives/nccl_call.hpp"
#include "core/error.hpp"
#include "runtime/buffer.hpp"

// From NCCL 2.19 and 2.27 on. A program that was built against them also starts with an older
// library, where the addresses are null.
#pragma weak ncclMemAlloc
#pragma weak ncclMemFree
#pragma weak ncclCommRegister
#pragma weak ncclCommDeregister
#pragma weak ncclCommWindowRegister
#pragma weak ncclCommWindowDeregister

namespace moecal::collectives {

void check_nccl_buffers(NcclBuffers kind) {
  if (kind == NcclBuffers::plain) return;
  if (&ncclMemAlloc == nullptr || &ncclCommRegister == nullptr)
    throw Unsupported{"the NCCL library at hand cannot register buffers (2.19 can)"};
  if (kind == NcclBuffers::symmetric && &ncclCommWindowRegister == nullptr)
    throw Unsupported{"the NCCL library at hand has no symmetric windows (2.27 has)"};
}

NcclMemory::NcclMemory(NcclBuffers kind, std::size_t bytes, const NcclCommunicator& communicator)
    : kind_{kind}, communicator_{communicator} {
  if (bytes == 0) return;
  if (kind == NcclBuffers::plain) {
    data_ = DeviceBuffer{bytes}.release();
    return;
  }
  check_call(ncclMemAlloc(&data_, bytes),
             {"ncclMemAlloc", static_cast<std::int64_t>(bytes), communicator});
  try {
    make_known(bytes);
  } catch (...) {
    release();
    throw;
  }
}

void NcclMemory::make_known(std::size_t bytes) {
  const auto count = static_cast<std::int64_t>(bytes);
  // A handle counts once the call went well; one that failed may have written something too.
  if (kind_ == NcclBuffers::registered) {
    void* handle = nullptr;
    finish_call(ncclCommRegister(communicator_.handle, data_, bytes, &handle),
                {"ncclCommRegister", count, communicator_});
    handle_ = handle;
    return;
  }
  ncclWindow_t window{};
  finish_call(
      ncclCommWindowRegister(communicator_.handle, data_, bytes, &window, NCCL_WIN_COLL_SYMMETRIC),
      {"ncclCommWindowRegister", count, communicator_});
  handle_ = window;
}

void NcclMemory::release() noexcept {
  if (data_ == nullptr) return;
  if (kind_ == NcclBuffers::plain)
    return check_in_destructor(cudaFree(std::exchange(data_, nullptr)), "freeing device memory");
  if (handle_ != nullptr && kind_ == NcclBuffers::registered)
    check_in_destructor(ncclCommDeregister(communicator_.handle, handle_), "ncclCommDeregister");
  if (handle_ != nullptr && kind_ == NcclBuffers::symmetric)
    check_in_destructor(
        ncclCommWindowDeregister(communicator_.handle, static_cast<ncclWindow_t>(handle_)),
        "ncclCommWindowDeregister");
  check_in_destructor(ncclMemFree(std::exchange(data_, nullptr)), "ncclMemFree");
}

NcclMemory::~NcclMemory() { release(); }

}  // namespace moecal::collectives
