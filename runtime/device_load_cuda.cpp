// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "runtime/buffer.hpp"
#include "runtime/device_load.hpp"

namespace moecal {
namespace {

constexpr std::size_t kBytes = std::size_t{256} << 20;  // more than any card's cache
constexpr int kWritesAtOnce = 64;                       // the host looks at the time in between

}  // namespace

void keep_device_busy(Seconds seconds) {
  const auto start = std::chrono::steady_clock::now();
  if (seconds <= Seconds{0}) return;
  const DeviceBuffer buffer{kBytes};
  while (std::chrono::steady_clock::now() - start < seconds) {
    for (int i = 0; i < kWritesAtOnce; ++i)
      check(cudaMemset(buffer.data(), i, buffer.size()), "keeping the device busy");
    check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for the device's warm-up");
  }
}

}  // namespace moecal
