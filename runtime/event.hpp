// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>

#include "core/units.hpp"
#include "runtime/check.hpp"
#include "runtime/stream.hpp"

namespace moecal {

/// A point in a stream's time. Resolution about 0.5 us: time batches, not single short kernels.
class CudaEvent {
 public:
  CudaEvent() { check(cudaEventCreate(&event_), "creating a CUDA event"); }
  ~CudaEvent() {
    if (event_ != nullptr) check_in_destructor(cudaEventDestroy(event_), "destroying a CUDA event");
  }
  CudaEvent(CudaEvent&& other) noexcept : event_{std::exchange(other.event_, nullptr)} {}
  CudaEvent& operator=(CudaEvent&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }

  [[nodiscard]] cudaEvent_t get() const { return event_; }
  /// Asynchronous: the event happens when the stream gets there.
  void record(Stream stream) { check(cudaEventRecord(event_, stream), "recording a CUDA event"); }
  /// Asynchronous: what is enqueued on `stream` from now on waits for the event.
  void make_wait(Stream stream) const {
    check(cudaStreamWaitEvent(stream, event_, 0), "making a stream wait for a CUDA event");
  }
  /// Waits until the event has happened.
  void synchronize() const { check(cudaEventSynchronize(event_), "waiting for a CUDA event"); }

  /// @throws Error if the work before it failed.
  [[nodiscard]] bool happened() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      (void)cudaGetLastError();  // an answer, but CUDA also keeps it as the last error
      return false;
    }
    check(status, "asking for a CUDA event");
    return true;
  }

  /// Time between two events that have both happened.
  friend Seconds elapsed(const CudaEvent& start, const CudaEvent& stop) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, start.event_, stop.event_),
          "reading the time between two CUDA events");
    return std::chrono::duration<float, std::milli>{milliseconds};
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace moecal
