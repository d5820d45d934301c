// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/cuda_on_cpu/sanitizer.hpp"

namespace moecal::tests {

inline void require(cudaError_t error, const char* what) {
  if (error != cudaSuccess)
    throw std::runtime_error{std::string{what} + ": " + cudaGetErrorString(error)};
}

/// A test of kernels: skipped where there is no device to run them on.
class OnDevice : public testing::Test {
 protected:
  void SetUp() override {
    int devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&devices);
    if (devices == 0) GTEST_SKIP() << "no CUDA device: " << cudaGetErrorString(error);
  }
};

/// `many`, or `few` where ThreadSanitizer watches: each thread of a kernel is one to it, and what
/// is large only to be large takes minutes.
inline std::int64_t fewer_if_watched(std::int64_t many, std::int64_t few) {
  return cuda_on_cpu::built_with_thread_sanitizer() ? few : many;
}

/// A host vector's copy in device memory. On the emulation that is heap memory of exactly its size.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values) : size_{values.size()} {
    require(cudaMalloc(&data_, bytes()), "cudaMalloc");
    require(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), "copy to device");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  [[nodiscard]] T* data() { return static_cast<T*>(data_); }
  /// Waits for the device's work, then copies back.
  [[nodiscard]] std::vector<T> host() const {
    std::vector<T> values(size_);
    require(cudaDeviceSynchronize(), "kernel");
    require(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost), "copy to host");
    return values;
  }

 private:
  [[nodiscard]] std::size_t bytes() const { return size_ * sizeof(T); }
  std::size_t size_;
  void* data_ = nullptr;
};

}  // namespace moecal::tests
