// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "layers/overlap/overlap.hpp"

namespace moecal::layers {
namespace {

Seconds time_of(const std::function<void(Stream)>& launch) {
  const auto start = std::chrono::steady_clock::now();
  launch(nullptr);
  return std::chrono::steady_clock::now() - start;
}

/// One thread that runs the same job whenever it is told to: libraries keep threads of their own
/// per calling thread, and a new caller each time would make them anew.
class Worker {
 public:
  explicit Worker(std::function<void()> job) : job_{std::move(job)}, thread_{[this] { serve(); }} {}
  ~Worker() {
    {
      const std::lock_guard lock{mutex_};
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start() {
    {
      const std::lock_guard lock{mutex_};
      busy_ = true;
    }
    changed_.notify_all();
  }
  /// Until the job is done. @throws what the job threw.
  void wait() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !busy_; });
    if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
  }

 private:
  void serve() {
    std::unique_lock lock{mutex_};
    while (true) {
      changed_.wait(lock, [this] { return busy_ || ends_; });
      if (!busy_) return;
      lock.unlock();
      std::exception_ptr problem;
      try {
        job_();
      } catch (...) {
        problem = std::current_exception();
      }
      lock.lock();
      problem_ = problem;
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::function<void()> job_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool busy_ = false;
  bool ends_ = false;
  std::exception_ptr problem_;
  std::thread thread_;  // last: it uses the others
};

class HostOverlap final : public Overlap {
 public:
  explicit HostOverlap(OverlapWork work)
      : work_{std::move(work)}, worker_{[this] { times_.compute += time_of(work_.compute); }} {}

  void launch_compute(Stream) override {
    worker_.start();
    worker_.wait();
  }
  void launch_communicate(Stream) override { work_.communicate(nullptr); }
  void launch_both(Stream stream) override { launch_both_timed(stream); }
  void launch_both_timed(Stream) override {
    worker_.start();
    std::exception_ptr problem;
    try {
      times_.communicate += time_of(work_.communicate);
    } catch (...) {
      problem = std::current_exception();
    }
    worker_.wait();
    if (problem) std::rethrow_exception(problem);
  }
  [[nodiscard]] OverlapTimes take_times() override { return std::exchange(times_, {}); }

 private:
  OverlapWork work_;
  OverlapTimes times_;  // compute: written by the worker while it is busy, read when it is not
  Worker worker_;
};

}  // namespace

std::unique_ptr<Overlap> make_overlap_cpu(OverlapWork work) {
  return std::make_unique<HostOverlap>(std::move(work));
}

}  // namespace moecal::layers
