// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <thread>

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
    wait();
    return elapsed(start_, stop_);
  }
  void watch(std::function<void(Seconds)> check) override { check_ = std::move(check); }
  [[nodiscard]] std::string name() const override { return "cuda_event"; }
  [[nodiscard]] Stream stream() const override { return stream_.get(); }

 private:
  // The events have their times from the device: how often the host asks changes none.
  void wait() {
    constexpr std::chrono::microseconds kBetweenQuestions{50};
    if (!check_) return stop_.synchronize();
    const auto start = std::chrono::steady_clock::now();
    const auto ask = [&] { check_(std::chrono::steady_clock::now() - start); };
    while (!stop_.happened()) {
      ask();
      std::this_thread::sleep_for(kBetweenQuestions);
    }
    ask();
  }

  std::function<void(Seconds)> check_;
  CudaStream stream_;
  CudaEvent start_;
  CudaEvent stop_;
};

}  // namespace

std::unique_ptr<Clock> make_cuda_event_clock() { return std::make_unique<CudaEventClock>(); }

}  // namespace moecal::bench
