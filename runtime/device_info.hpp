// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "core/units.hpp"

namespace moecal {

/// A CUDA device as its driver describes it.
struct CudaDevice {
  int index = 0;
  std::string name;        // e.g. NVIDIA B200
  std::string pci_bus_id;  // domain:bus:device.function, what NVML knows the device by
  Bytes memory{};          // total
  Bytes l2_cache{};
  int multiprocessors = 0;
  int compute_major = 0;  // of the compute capability
  int compute_minor = 0;
};

/// The CUDA devices of this machine, or why there are none.
struct CudaDevices {
  std::vector<CudaDevice> devices;
  std::string driver_version;   // highest CUDA version the driver supports, e.g. 13.0; may be empty
  std::string runtime_version;  // CUDA runtime linked into this build; empty without CUDA
  std::string reason;           // a sentence; empty if there is a device
};

/// Never throws for want of a build with CUDA, a driver or a device: that is the reason then.
[[nodiscard]] CudaDevices find_cuda_devices();

/// Of the CUDA runtime linked into this build, e.g. 13.0; empty without CUDA.
[[nodiscard]] std::string cuda_runtime_version();

/// Makes a device the calling thread's current one. @throws Error; Unsupported in a build without
/// CUDA.
void use_cuda_device(int index);

}  // namespace moecal
