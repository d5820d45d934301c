// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>

#include "runtime/check.hpp"
#include "runtime/cuda_stream.hpp"

namespace moecal {

/// Work that was recorded once and is launched as a whole: the gaps between its kernels are the
/// device's, not the host's.
class CudaGraph {
 public:
  /// Records what `enqueue(stream)` enqueues, without running it. Work forked to other streams by
  /// events has to be joined again.
  template <class Enqueue>
  [[nodiscard]] static CudaGraph capture(Enqueue&& enqueue) {
    const CudaStream stream;
    check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
          "beginning to capture a CUDA graph");
    try {
      enqueue(stream.get());
    } catch (...) {
      cudaGraph_t broken = nullptr;
      (void)cudaStreamEndCapture(stream.get(), &broken);
      if (broken != nullptr) (void)cudaGraphDestroy(broken);
      (void)cudaGetLastError();
      throw;
    }
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream.get(), &graph), "capturing a CUDA graph");
    CudaGraph captured;
    const auto status = cudaGraphInstantiate(&captured.executable_, graph, 0);
    check_in_destructor(cudaGraphDestroy(graph), "destroying a CUDA graph");
    check(status, "instantiating a CUDA graph");
    return captured;
  }
  ~CudaGraph() {
    if (executable_ != nullptr)
      check_in_destructor(cudaGraphExecDestroy(executable_), "destroying a CUDA graph");
  }
  CudaGraph(CudaGraph&& other) noexcept : executable_{std::exchange(other.executable_, nullptr)} {}
  CudaGraph& operator=(CudaGraph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }

  /// Asynchronous.
  void launch(Stream stream) const {
    check(cudaGraphLaunch(executable_, stream), "launching a CUDA graph");
  }

 private:
  CudaGraph() = default;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace moecal
