// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

// Copies from global to shared memory that need no registers and go on while the thread does: what
// C++ has no words for. The tests have tests/cuda_on_cpu/include/runtime/async_copy.cuh in place of
// this file.
namespace moecal {

/// Begins to copy 16 bytes, aligned on both sides, past the L1. They are there for this thread
/// after wait_for_copies(), for others after a barrier behind it.
__device__ inline void copy_async(uint4* shared, const uint4* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(shared))),
               "l"(global)
               : "memory");
}

/// Until all copies are done that this thread began.
__device__ inline void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

}  // namespace moecal
