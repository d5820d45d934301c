// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "runtime/control_plane.hpp"

namespace moecal::bench {

/// Ranks as threads of one process: what `body` gets agrees like the ranks of a launch do.
class FakeRanks {
 public:
  explicit FakeRanks(int size) : values_(static_cast<std::size_t>(size)), size_{size} {}

  /// Runs `body` once per rank, at the same time, and waits for all. A body that throws ends the
  /// test: ranks must agree on failing.
  void run(const std::function<void(ControlPlane&)>& body) {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size_; ++rank)
      threads.emplace_back([this, rank, &body] {
        Plane plane{*this, rank};
        body(plane);
      });
  }

 private:
  class Plane final : public ControlPlane {
   public:
    Plane(FakeRanks& ranks, int rank) : ranks_{ranks}, rank_{rank} {}
    [[nodiscard]] int rank() const override { return rank_; }
    [[nodiscard]] int size() const override { return ranks_.size_; }
    void barrier() override { ranks_.meet(); }
    using ControlPlane::max;
    void max(std::span<double> values) override {
      ranks_.values_[static_cast<std::size_t>(rank_)].assign(values.begin(), values.end());
      ranks_.meet();
      for (const auto& other : ranks_.values_)
        for (std::size_t i = 0; i < values.size(); ++i)
          values[i] = std::max(values[i], other.at(i));
      ranks_.meet();
    }
    void broadcast(std::span<char> bytes, int root) override {
      if (rank_ == root) ranks_.bytes_ = bytes;
      ranks_.meet();
      if (rank_ != root) std::copy(ranks_.bytes_.begin(), ranks_.bytes_.end(), bytes.begin());
      ranks_.meet();
    }
    [[nodiscard]] std::unique_ptr<ControlPlane> split(int) override {
      throw Error{"fake ranks cannot split"};
    }
    [[noreturn]] void abort(int, const std::string& reason) override {
      throw Error{"a fake rank aborted the launch: it " + reason};
    }

   private:
    FakeRanks& ranks_;
    int rank_;
  };

  // A barrier.
  void meet() {
    std::unique_lock lock{mutex_};
    const auto round = round_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      all_here_.notify_all();
    } else {
      all_here_.wait(lock, [&] { return round_ != round; });
    }
  }

  std::mutex mutex_;
  std::condition_variable all_here_;
  std::vector<std::vector<double>> values_;
  std::span<char> bytes_;
  int size_;
  int arrived_ = 0;
  long round_ = 0;
};

}  // namespace moecal::bench
