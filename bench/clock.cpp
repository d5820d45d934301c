// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/clock.hpp"

#include <chrono>

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
  SlowestRankClock(std::unique_ptr<Clock> own, ControlPlane& world)
      : own_{std::move(own)}, world_{world} {}
  [[nodiscard]] Seconds time(const std::function<void()>& batch) override {
    world_.barrier();
    Seconds own{0};
    or_end_launch(world_, [&] { own = own_->time(batch); });
    return Seconds{world_.max(own.count())};
  }
  void watch(std::function<void(Seconds)> check) override { own_->watch(std::move(check)); }
  [[nodiscard]] std::string name() const override { return own_->name(); }
  [[nodiscard]] Stream stream() const override { return own_->stream(); }

 private:
  std::unique_ptr<Clock> own_;
  ControlPlane& world_;
};

}  // namespace

std::unique_ptr<Clock> make_steady_clock() { return std::make_unique<SteadyClock>(); }

std::unique_ptr<Clock> make_slowest_rank_clock(std::unique_ptr<Clock> own, ControlPlane& world) {
  return std::make_unique<SlowestRankClock>(std::move(own), world);
}

}  // namespace moecal::bench
