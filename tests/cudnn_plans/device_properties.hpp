// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

/// What cuDNN is told of a card that is not here: the figures that such cards report.
namespace moecal::tests {

struct CudnnCard {
  std::string name;
  int capability = 0;  // major * 10 + minor
  int multiprocessors = 0;
  int shared_memory = 0;                  // bytes a block can have
  std::int64_t memory = 0, l2_cache = 0;  // bytes
  int bus_width = 0;                      // bits
};

inline void PrintTo(const CudnnCard& card, std::ostream* out) { *out << card.name; }

inline const CudnnCard kA100{"NVIDIA A100-SXM4-80GB", 80, 108, 166912, 85899345920, 41943040, 5120};
inline const CudnnCard kH100{"NVIDIA H100 80GB HBM3", 90, 132, 232448, 85899345920, 52428800, 5120};
inline const CudnnCard kB200{"NVIDIA B200", 100, 148, 232448, 193273528320, 132644864, 8192};

/// As cuDNN 9.8 to 9.28 reads it.
inline std::string device_properties(const CudnnCard& card) {
  return nlohmann::json{{"deviceName", card.name},
                        {"deviceVer", 10 * card.capability},
                        {"cudaDeviceId", 0},
                        {"pciDeviceId", 0},
                        {"driverVer", 13000},
                        {"isTccDriver", 0},
                        {"supportCoopLaunch", 1},
                        {"multiProcessorCount", card.multiprocessors},
                        {"maxSharedMemoryPerBlock", 49152},
                        {"maxSharedMemoryPerBlockOptin", card.shared_memory},
                        {"reservedSharedMemoryPerBlock", 1024},
                        {"totalGlobalMem", card.memory},
                        {"l2CacheSize", card.l2_cache},
                        {"memoryBusWidth", card.bus_width},
                        {"smClockRateKHz", 1800000},
                        {"memClockRateKHz", 2600000},
                        {"warpSize", 32},
                        {"regsPerBlock", 65536},
                        {"maxRegistersPerSM", 65536},
                        {"maxCtasPerSM", 32},
                        {"maxThreadsPerBlock", 1024},
                        {"maxThreadsPerSM", 2048},
                        {"maxBlockSize", {1024, 1024, 64}},
                        {"maxGridSize", {2147483647, 65535, 65535}}}
      .dump();
}

}  // namespace moecal::tests
