// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_health.hpp"

#include "runtime/check.hpp"

namespace moecal {

// Asked twice: what an earlier call left behind is told, and cleared, once; a context that is dead
// says so for ever.
void check_cuda_device() {
  for (int answer = 0; answer < 2; ++answer) {
    const cudaError_t status = cudaDeviceSynchronize();
    if (status == cudaSuccess) return;
    (void)cudaGetLastError();
    if (answer == 1)
      throw DeviceLost{std::string{"the device takes no work any more: "} +
                       cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")"};
  }
}

}  // namespace moecal
