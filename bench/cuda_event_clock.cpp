// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <optional>
#include <thread>

#include "bench/clock.hpp"
#include "core/observation.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"
#include "runtime/stream_hold.hpp"

namespace moecal::bench {
namespace {

using HostClock = std::chrono::steady_clock;

// Times what one stream does between two events: the device's own time, without the host's.
class CudaEventClock final : public Clock {
 public:
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    // Twice, for a host that was kept from its work once.
    for (int trial = 0; holds() && trial < 2; ++trial) {
      lapsed_ = false;
      const Seconds held = run(batch);
      if (!lapsed_) return held;
      can_hold_ = trial == 0;
    }
    if (leads()) batch();  // while the device is at it, the host enqueues what is timed
    return run(batch);
  }
  void watch(std::function<void(Seconds)> check) override { check_ = std::move(check); }
  void hold(bool wanted) override {
    hold_wanted_ = wanted;
    // Not before: ranks whose peers are lost must not wait for a device that never ends.
    if (holds() && !hold_) hold_.emplace();
  }
  void cut() override {
    if (!held_) return;
    end_piece();
    begin_piece();
  }
  [[nodiscard]] std::optional<Seconds> host_time() const override { return host_; }
  [[nodiscard]] std::string name() const override {
    if (leads()) return kLedTimer;
    return holds() ? "cuda_event_held" : "cuda_event";
  }
  [[nodiscard]] Stream stream() const override { return stream_.get(); }

 private:
  [[nodiscard]] bool holds() const { return hold_wanted_ && can_hold_; }
  [[nodiscard]] bool leads() const { return hold_wanted_ && !can_hold_; }
  Seconds run(const std::function<void()>& batch) {
    time_ = host_ = Seconds{0};
    begin_piece();
    try {
      batch();
    } catch (...) {
      held_.reset();  // or the device would wait for its end
      throw;
    }
    end_piece();
    return time_;
  }
  void begin_piece() {
    if (holds()) held_.emplace(*hold_, stream_.get());
    start_.record(stream_.get());
    host_start_ = HostClock::now();
  }
  void end_piece() {
    host_ += HostClock::now() - host_start_;
    stop_.record(stream_.get());
    const bool held = held_.has_value();
    held_.reset();
    wait();
    lapsed_ = lapsed_ || (held && hold_->lapsed());
    time_ += elapsed(start_, stop_);
  }
  // The events have their times from the device: how often the host asks changes none.
  void wait() {
    constexpr std::chrono::microseconds kBetweenQuestions{50};
    if (!check_) return stop_.synchronize();
    const auto start = HostClock::now();
    const auto ask = [&] { check_(HostClock::now() - start); };
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
  std::optional<StreamHold> hold_;
  std::optional<StreamHold::Held> held_;
  bool hold_wanted_ = false;
  bool can_hold_ = true;
  bool lapsed_ = false;
  Seconds time_{0};  // of the batch, as far as its pieces are done
  Seconds host_{0};
  HostClock::time_point host_start_{};
};

}  // namespace

std::unique_ptr<Clock> make_cuda_event_clock() { return std::make_unique<CudaEventClock>(); }

}  // namespace moecal::bench
