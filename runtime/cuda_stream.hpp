// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>

#include "runtime/check.hpp"
#include "runtime/stream.hpp"

namespace moecal {

/// An owned CUDA stream of the current device. It does not synchronise with the legacy default
/// stream.
class CudaStream {
 public:
  CudaStream() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a CUDA stream");
  }
  ~CudaStream() {
    if (stream_ != nullptr)
      check_in_destructor(cudaStreamDestroy(stream_), "destroying a CUDA stream");
  }
  CudaStream(CudaStream&& other) noexcept : stream_{std::exchange(other.stream_, nullptr)} {}
  CudaStream& operator=(CudaStream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }

  [[nodiscard]] Stream get() const { return stream_; }
  /// Waits for all work on this stream; the error of a kernel that faulted appears here.
  void synchronize() const { check(cudaStreamSynchronize(stream_), "waiting for a CUDA stream"); }

 private:
  Stream stream_ = nullptr;
};

}  // namespace moecal
