// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "runtime/buffer.hpp"
#include "runtime/device_memory.hpp"

namespace moecal::device_memory {

void* allocate(std::size_t bytes) {
  DeviceBuffer buffer{bytes};
  check(cudaMemset(buffer.data(), 0, bytes), "zeroing " + std::to_string(bytes) + " bytes");
  // It may return before it is done, and streams that do not block would not wait for it.
  check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for the zeros");
  return buffer.release();
}

void release(void* data) noexcept { check_in_destructor(cudaFree(data), "freeing device memory"); }

void write(void* to, const void* from, std::size_t bytes) { copy_bytes(to, from, bytes); }

void read(void* to, const void* from, std::size_t bytes) {
  check(cudaDeviceSynchronize(), "waiting for the device");
  copy_bytes(to, from, bytes);
}

}  // namespace moecal::device_memory
