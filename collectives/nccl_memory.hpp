// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <utility>

#include "collectives/collective.hpp"

namespace moecal::collectives {

/// What NCCL knows of the memory it is given.
enum class NcclBuffers {
  plain,       // nothing: cudaMalloc
  registered,  // ncclMemAlloc and ncclCommRegister: peers and switches may reach it without a copy
  symmetric,   // ncclMemAlloc and ncclCommWindowRegister: at one offset of a window on all ranks
};

/// @throws Unsupported if the NCCL library at hand has not the functions, or does not tell whether
/// they did what they are for.
void check_nccl_buffers(NcclBuffers kind);

/// Owned device memory for a rank's calls on one communicator, which outlives it unless it is
/// aborted: forget_communicator() then. Uninitialised; empty for 0 bytes.
class NcclMemory {
 public:
  /// `symmetric`: collective over the communicator, every rank with the same bytes.
  /// @throws Unsupported where NCCL says success and knows nothing of the memory.
  NcclMemory(NcclBuffers kind, std::size_t bytes, const NcclCommunicator& communicator);
  ~NcclMemory();
  NcclMemory(NcclMemory&& other) noexcept
      : kind_{other.kind_},
        communicator_{other.communicator_},
        data_{std::exchange(other.data_, nullptr)},
        handle_{std::exchange(other.handle_, nullptr)} {}
  NcclMemory(const NcclMemory&) = delete;
  NcclMemory& operator=(const NcclMemory&) = delete;

  /// The communicator, and what it knew of this memory, is no more.
  void forget_communicator() noexcept { handle_ = nullptr; }
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void make_known(std::size_t bytes);
  void make_window(std::size_t bytes);
  void release() noexcept;

  NcclBuffers kind_;
  NcclCommunicator communicator_;
  void* data_ = nullptr;
  void* handle_ = nullptr;  // NCCL's, of the registration or the window
};

}  // namespace moecal::collectives
