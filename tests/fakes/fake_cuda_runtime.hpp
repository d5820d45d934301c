// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <mutex>

/// A CUDA runtime without a device, linked in place of the real one: device memory is host memory,
/// a stream runs its work at once, and time passes only when a fake library says so. Defines the
/// entry points that runtime/ and the library backends use; another one is a link error. Ranks that
/// are threads may share it.
namespace moecal::tests {

struct FakeCudaDevice {
  int devices = 1;
  int compute_major = 9;
  int compute_minor = 0;
  bool stuck = false;                               // events never happen
  double clock_ms = 0;                              // what events read
  std::map<const std::byte*, std::size_t> buffers;  // live allocations: start and bytes
  std::size_t memory = std::size_t{1} << 30;        // a larger allocation fails
  mutable std::mutex buffers_mutex;

  /// True if [start, start + bytes) lies inside one live allocation.
  [[nodiscard]] bool owns(const void* start, std::size_t bytes) const;
};

/// The one fake device of the process.
FakeCudaDevice& fake_cuda();

}  // namespace moecal::tests
