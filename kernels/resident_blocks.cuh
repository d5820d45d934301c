// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <array>
#include <atomic>

#include "kernels/multiprocessors.cuh"
#include "runtime/check.hpp"

namespace moecal::kernels {

inline int count_resident_blocks(const void* kernel, int threads) {
  int blocks = 0;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                             cudaSharedmemCarveoutMaxShared),
        "asking for shared memory rather than an L1");
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, 0),
        "asking how many blocks a multiprocessor holds");
  return blocks * multiprocessors();
}

/// Blocks of kKernel that the current device holds at a time, of a kernel whose static shared
/// memory limits them. Asked once per device: launches are many, and may be captured.
template <auto kKernel>
int resident_blocks(int threads) {
  static std::array<std::atomic<int>, 64> known{};
  int device = 0;
  check(cudaGetDevice(&device), "asking for the current device");
  const auto index = static_cast<std::size_t>(device);
  if (index >= known.size())
    return count_resident_blocks(reinterpret_cast<const void*>(kKernel), threads);
  int blocks = known[index].load(std::memory_order_relaxed);
  if (blocks == 0) {
    blocks = count_resident_blocks(reinterpret_cast<const void*>(kKernel), threads);
    known[index].store(blocks, std::memory_order_relaxed);
  }
  return blocks;
}

}  // namespace moecal::kernels
