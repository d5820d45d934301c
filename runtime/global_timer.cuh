// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

// PTX, which a C++ compiler cannot parse: tests/cuda_on_cpu/include has another file of this name.
namespace moecal {

/// Of a clock that every multiprocessor of the device reads alike.
__device__ inline unsigned long long nanoseconds_now() {
  unsigned long long now = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

}  // namespace moecal
