// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_memory.hpp"

#include "collectives/nccl_call.hpp"
#include "collectives/nccl_groups.hpp"
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
namespace {

constexpr int kTellsOfWindows = 22'800;
constexpr int kNoneIsNull = 22'900;

/// NCCL says success where it makes no window. From 2.29 on the window is null then; 2.28 hands out
/// a plain registration in its place, which is host memory, while its windows are the device's.
bool is_window(const void* handle) {
  if (handle == nullptr || nccl_version_code() >= kNoneIsNull) return handle != nullptr;
  cudaPointerAttributes place{};
  check(cudaPointerGetAttributes(&place, handle), "asking where an NCCL window is");
  return place.type == cudaMemoryTypeDevice;
}

}  // namespace

void check_nccl_buffers(NcclBuffers kind) {
  if (kind == NcclBuffers::plain) return;
  if (&ncclMemAlloc == nullptr || &ncclCommRegister == nullptr)
    throw Unsupported{"the NCCL library at hand cannot register buffers (2.19 can)"};
  // 2.27 has windows, and hands out the same for a plain registration.
  if (kind == NcclBuffers::symmetric && nccl_version_code() < kTellsOfWindows)
    throw Unsupported{"NCCL " + nccl_library_version() +
                      " has no symmetric windows, or does not tell whether it made one (2.28 "
                      "tells)"};
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

// A handle counts once the call went well; one that failed may have written something too. What is
// kept is taken back, also where it is not what was asked for: the calls would be timed as if.
void NcclMemory::make_known(std::size_t bytes) {
  if (kind_ == NcclBuffers::symmetric) return make_window(bytes);
  void* handle = nullptr;
  finish_call(ncclCommRegister(communicator_.handle, data_, bytes, &handle),
              {"ncclCommRegister", static_cast<std::int64_t>(bytes), communicator_});
  handle_ = handle;
  if (handle == nullptr)
    throw Unsupported{
        "NCCL did not register the buffer: NCCL_LOCAL_REGISTER=0, or P2P by copies, forbids it"};
}

void NcclMemory::make_window(std::size_t bytes) {
  ncclWindow_t window{};
  finish_call(
      ncclCommWindowRegister(communicator_.handle, data_, bytes, &window, NCCL_WIN_COLL_SYMMETRIC),
      {"ncclCommWindowRegister", static_cast<std::int64_t>(bytes), communicator_});
  handle_ = window;
  if (!is_window(window))
    throw Unsupported{
        "NCCL made no symmetric window for this group: it needs P2P between all GPUs of a node "
        "(from 2.29 on, between nodes, GPU-initiated networking too), and neither "
        "NCCL_WIN_ENABLE=0 "
        "nor NCCL_CUMEM_ENABLE=0"};
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
