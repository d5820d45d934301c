// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "tests/cuda_on_cpu/block.hpp"

// Stands in for runtime/async_copy.cuh where a .cu file is compiled by g++. A copy is made as late
// as can be, when its thread waits: until then there is a pattern where it goes, and who reads it
// without waiting is wrong in every order of the threads. A thread may not end before it waited.
namespace moecal {

inline void copy_async(uint4* shared, const uint4* global) {
  constexpr int kPattern = 0xcd;
  for (const void* address : {static_cast<const void*>(shared), static_cast<const void*>(global)})
    if (reinterpret_cast<std::uintptr_t>(address) % sizeof(uint4) != 0)
      throw cuda_on_cpu::Error{"copy_async: an address is not a multiple of 16 bytes"};
  std::memset(shared, kPattern, sizeof *shared);
  cuda_on_cpu::copies_of_thread().push_back({shared, global});
}

inline void wait_for_copies() {
  for (const auto& [to, from] : cuda_on_cpu::copies_of_thread())
    std::memcpy(to, from, sizeof(uint4));
  cuda_on_cpu::copies_of_thread().clear();
}

}  // namespace moecal
