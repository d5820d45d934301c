// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "core/error.hpp"
#include "runtime/check.hpp"
#include "runtime/device_info.hpp"
#include "runtime/nvml.hpp"

namespace moecal {
namespace {

// CUDA packs 13.1 as 13010.
std::string version_string(int packed) {
  return std::to_string(packed / 1000) + "." + std::to_string(packed % 1000 / 10);
}

CudaDevice describe_device(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index),
        "reading the properties of CUDA device " + std::to_string(index));
  std::array<char, 32> bus_id{};
  check(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), index),
        "reading the PCI bus id of CUDA device " + std::to_string(index));
  return {.index = index,
          .name = properties.name,
          .pci_bus_id = bus_id.data(),
          .memory = Bytes{static_cast<double>(properties.totalGlobalMem)},
          .l2_cache = Bytes{static_cast<double>(properties.l2CacheSize)},
          .multiprocessors = properties.multiProcessorCount,
          .compute_major = properties.major,
          .compute_minor = properties.minor};
}

std::string too_old(const std::string& driver, int newest_cuda) {
  return "the NVIDIA driver" + (driver.empty() ? "" : " " + driver) +
         (newest_cuda > 0 ? " is for CUDA up to " + version_string(newest_cuda) : " is too old") +
         ", and moecal is built with CUDA " + cuda_runtime_version() +
         ": install driver 580 or newer, which CUDA 13 needs";
}

// `driver`: the newest CUDA that it is for; 0 without a driver, or where CUDA does not tell.
std::string why_none(cudaError_t status, int driver) {
  if (status == cudaSuccess || status == cudaErrorNoDevice)
    return driver == 0 ? "no NVIDIA driver is loaded on this machine"
                       : "the NVIDIA driver sees no CUDA device";
  if (status == cudaErrorInsufficientDriver) {
    const auto nvml = Nvml::load();
    if (driver > 0 || nvml) return too_old(nvml ? nvml->driver_version() : "", driver);
    return "no NVIDIA driver is loaded on this machine";
  }
  return "CUDA cannot list its devices: " + std::string{cudaGetErrorString(status)};
}

}  // namespace

CudaDevices find_cuda_devices() {
  CudaDevices found;
  int driver = 0;
  int count = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
    found.driver_version = version_string(driver);
  found.runtime_version = cuda_runtime_version();
  const cudaError_t status = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();
  if (status != cudaSuccess || count == 0) {
    found.reason = why_none(status, driver);
    return found;
  }
  for (int index = 0; index < count; ++index) found.devices.push_back(describe_device(index));
  return found;
}

std::string cuda_runtime_version() {
  int version = 0;
  return cudaRuntimeGetVersion(&version) == cudaSuccess ? version_string(version) : "";
}

void use_cuda_device(int index) {
  check(cudaSetDevice(index), "choosing CUDA device " + std::to_string(index));
}

}  // namespace moecal
