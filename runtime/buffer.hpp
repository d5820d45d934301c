// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "runtime/check.hpp"
#include "runtime/device_memory.hpp"
#include "runtime/stream.hpp"

namespace moecal {

namespace detail {
/// Too little memory means this machine cannot do the point (Unsupported), not that moecal is
/// wrong.
inline void check_allocation(cudaError_t status, std::size_t bytes, const char* kind,
                             const std::source_location& where) {
  const auto what = "allocating " + std::to_string(bytes) + " bytes of " + kind + " memory";
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw Unsupported{failed_call_message(describe(status), what, where)};
  }
  check(status, what, where);
}
}  // namespace detail

/// Owned device memory of the current device, 256-byte aligned; uninitialised. Empty for 0 bytes.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  /// @throws Unsupported if the device has not that much memory left; both say how many bytes.
  explicit DeviceBuffer(std::size_t bytes,
                        const std::source_location& where = std::source_location::current())
      : bytes_{bytes} {
    if (bytes > 0) detail::check_allocation(cudaMalloc(&data_, bytes), bytes, "device", where);
  }
  ~DeviceBuffer() {
    if (data_ != nullptr) check_in_destructor(cudaFree(data_), "freeing device memory");
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)} {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }
  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data_);
  }
  [[nodiscard]] std::size_t size() const { return bytes_; }
  /// Hands the memory over; the caller frees it with cudaFree.
  [[nodiscard]] void* release() {
    bytes_ = 0;
    return std::exchange(data_, nullptr);
  }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Owned page-locked host memory: what host-device copies need to run at the link's rate.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t bytes,
                        const std::source_location& where = std::source_location::current())
      : bytes_{bytes} {
    if (bytes > 0)
      detail::check_allocation(cudaMallocHost(&data_, bytes), bytes, "page-locked host", where);
  }
  ~PinnedBuffer() {
    if (data_ != nullptr)
      check_in_destructor(cudaFreeHost(data_), "freeing page-locked host memory");
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)} {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Copies between any two places CUDA knows (the direction follows from the pointers) and waits for
/// the copy, so that any stream may use what it wrote. @throws Error with the byte count.
inline void copy_bytes(void* to, const void* from, std::size_t bytes,
                       const std::source_location& where = std::source_location::current()) {
  if (bytes == 0) return;
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault),
        "copying " + std::to_string(bytes) + " bytes", where);
  // cudaMemcpy from pageable memory returns once the bytes are staged, perhaps before they have
  // arrived, and streams made with cudaStreamNonBlocking do not wait for the default one.
  check(cudaStreamSynchronize(cudaStreamLegacy),
        "waiting for the copy of " + std::to_string(bytes) + " bytes", where);
}

/// A device copy of host elements. Synchronous.
template <class T>
[[nodiscard]] DeviceBuffer to_device(std::span<const T> host) {
  DeviceBuffer buffer{host.size_bytes()};
  copy_bytes(buffer.data(), host.data(), host.size_bytes());
  return buffer;
}

/// The same of an array of which only one period is on the host: the device makes the rest.
[[nodiscard]] inline DeviceBuffer to_device(const PeriodicBytes& bytes) {
  DeviceBuffer buffer{bytes.size()};
  device_memory::write(buffer.data(), bytes);
  return buffer;
}

}  // namespace moecal
