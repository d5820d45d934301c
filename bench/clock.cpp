// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/clock.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "bench/agreement.hpp"

namespace moecal::bench {
namespace {

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    const auto start = std::chrono::steady_clock::now();
    batch();
    return std::chrono::steady_clock::now() - start;
  }
  [[nodiscard]] std::string name() const override { return "steady_clock"; }
};

class SlowestRankClock final : public Clock {
 public:
  SlowestRankClock(std::unique_ptr<Clock> own, ControlPlane& world, Seconds* agreeing)
      : own_{std::move(own)}, world_{world}, agreeing_{agreeing} {}
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    return time_each({.launch = batch}).front();
  }
  [[nodiscard]] std::vector<Seconds> time_each(const Batches& batches) override {
    const auto start = std::chrono::steady_clock::now();
    std::vector<Seconds> own;
    or_end_launch(world_, [&] { own = own_->time_each(started_together(batches)); });
    std::vector<double> told;
    for (const Seconds time : own) told.push_back(time.count());
    told.push_back(Seconds{std::chrono::steady_clock::now() - start}.count());
    world_.max(told);
    const Seconds taken = std::chrono::steady_clock::now() - start;
    if (agreeing_ != nullptr) *agreeing_ += std::max(Seconds{0}, taken - Seconds{told.back()});
    for (std::size_t i = 0; i < own.size(); ++i) own[i] = Seconds{told[i]};
    return own;
  }
  void watch(std::function<void(Seconds)> check) override { own_->watch(std::move(check)); }
  [[nodiscard]] std::optional<Seconds> host_time() const override { return own_->host_time(); }
  [[nodiscard]] std::string name() const override { return own_->name(); }
  [[nodiscard]] Stream stream() const override { return own_->stream(); }

 private:
  // A device's clock runs from when its own rank launches, however late the others are: what its
  // rank did between two batches (readings, a new draw) must not be timed on the others.
  [[nodiscard]] Batches started_together(Batches batches) {
    if (stream() == nullptr) return batches;
    batches.before = [this, before = std::move(batches.before)] {
      before();
      const auto start = std::chrono::steady_clock::now();
      world_.barrier();
      if (agreeing_ != nullptr) *agreeing_ += std::chrono::steady_clock::now() - start;
    };
    return batches;
  }

  std::unique_ptr<Clock> own_;
  ControlPlane& world_;
  Seconds* agreeing_;
};

}  // namespace

std::vector<Seconds> Clock::time_each(const Batches& batches) {
  std::vector<Seconds> times;
  for (int i = 0; i < batches.count; ++i) {
    batches.before();
    times.push_back(time(batches.launch));
    batches.after();
  }
  return times;
}

std::unique_ptr<Clock> make_steady_clock() { return std::make_unique<SteadyClock>(); }

std::unique_ptr<Clock> make_slowest_rank_clock(std::unique_ptr<Clock> own, ControlPlane& world,
                                               Seconds* agreeing) {
  return std::make_unique<SlowestRankClock>(std::move(own), world, agreeing);
}

}  // namespace moecal::bench
