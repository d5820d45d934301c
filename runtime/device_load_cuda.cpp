// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "runtime/buffer.hpp"
#include "runtime/device_load.hpp"
#include "runtime/device_products.hpp"

namespace moecal {
namespace {

constexpr std::size_t kBytes = std::size_t{256} << 20;  // more than any card's cache
constexpr int kWritesAtOnce = 32;                       // the host looks at the time in between
constexpr int kProductsAtOnce = 2;                      // as long as the writes, about

}  // namespace

void keep_device_busy(Seconds seconds) {
  const auto start = std::chrono::steady_clock::now();
  if (seconds <= Seconds{0}) return;
  const DeviceBuffer buffer{kBytes};
  while (std::chrono::steady_clock::now() - start < seconds) {
    for (int i = 0; i < kWritesAtOnce; ++i)
      check(cudaMemset(buffer.data(), i, buffer.size()), "keeping the device busy");
    for (int i = 0; i < kProductsAtOnce; ++i)
      enqueue_products(buffer.as<float>(), cudaStreamLegacy);
    check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for the device's warm-up");
  }
}

}  // namespace moecal
