// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "runtime/check.hpp"

/// For .cpp files of CUDA backends.
namespace moecal {

/// Every byte of device memory, on the legacy default stream. Synchronous, for streams that do not
/// block would not wait for it: returns when the memory is filled. @throws Error
inline void fill_device(void* data, std::size_t bytes, int value) {
  if (bytes == 0) return;
  check(cudaMemset(data, value, bytes), "filling device memory");
  check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for device memory to be filled");
}

/// Overwrites results that are already there with what no launch leaves: NaN in every
/// floating-point type, else -1. Algorithms are tried on the buffers that are timed later: a launch
/// that computes nothing would else be verified by what they left. Synchronous, as fill_device.
inline void mark_unwritten(void* data, std::size_t bytes) { fill_device(data, bytes, 0xFF); }

}  // namespace moecal
