// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <string>

#include "runtime/check.hpp"
#include "runtime/launch_config.cuh"

// The two things of CUDA's language that a C++ compiler cannot parse, behind functions: a kernel
// file that uses them instead is also valid C++. The tests compile it as such, with
// tests/cuda_on_cpu/include/runtime/launch.cuh found in place of this file.
namespace moecal {

/// Enqueues `kernel(arguments...)` on config.stream and returns. @throws Error if the launch is
/// refused.
template <class... Parameters, class... Arguments>
void launch(const LaunchConfig& config, void (*kernel)(Parameters...), Arguments... arguments) {
  kernel<<<config.grid, config.block, config.dynamic_shared_bytes, config.stream>>>(arguments...);
  check(cudaGetLastError(), std::string{"launching "} + config.what);
}

/// The block's dynamic shared memory, LaunchConfig::dynamic_shared_bytes long, 16-byte aligned.
template <class T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char moecal_dynamic_shared[];
  return reinterpret_cast<T*>(moecal_dynamic_shared);
}

}  // namespace moecal
