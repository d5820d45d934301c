// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include "runtime/launch_config.cuh"
#include "tests/cuda_on_cpu/block.hpp"
#include "tests/cuda_on_cpu/enqueue.hpp"

// Stands in for runtime/launch.cuh where a .cu file is compiled by g++.
namespace moecal {

template <class... Parameters, class... Arguments>
void launch(const LaunchConfig& config, void (*kernel)(Parameters...), Arguments... arguments) {
  cuda_on_cpu::enqueue(config.stream, [=] {
    cuda_on_cpu::run_grid({config.grid, config.block, config.dynamic_shared_bytes},
                          [&] { kernel(arguments...); });
  });
}

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(cuda_on_cpu::dynamic_shared_memory());
}

}  // namespace moecal
