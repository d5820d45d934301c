// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/clock.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"

namespace moecal::bench {
namespace {

// Times what one stream does between two events: the device's own time, without the host's.
class CudaEventClock final : public Clock {
 public:
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    start_.record(stream_.get());
    batch();
    stop_.record(stream_.get());
    stop_.synchronize();
    return elapsed(start_, stop_);
  }
  [[nodiscard]] std::string name() const override { return "cuda_event"; }
  [[nodiscard]] Stream stream() const override { return stream_.get(); }

 private:
  CudaStream stream_;
  CudaEvent start_;
  CudaEvent stop_;
};

}  // namespace

std::unique_ptr<Clock> make_cuda_event_clock() { return std::make_unique<CudaEventClock>(); }

}  // namespace moecal::bench
