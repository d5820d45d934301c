// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <barrier>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/control_plane.hpp"

namespace moecal::testing {

/// What the ranks of one plane share. Ranks are threads of one process: a hundred of them start in
/// milliseconds. Calls alternate between two tables, so that one meeting per call is enough: nobody
/// is two calls ahead of a rank that still reads.
struct ThreadGroup {
  explicit ThreadGroup(int size) : meeting{size} {
    for (auto& table : shown) table.resize(static_cast<std::size_t>(size));
  }
  std::barrier<> meeting;
  std::array<std::vector<const void*>, 2> shown;                      // [call % 2][rank]
  std::array<std::map<int, std::shared_ptr<ThreadGroup>>, 2> made{};  // by colour, of a split
  std::mutex mutex;
};

class ThreadPlane final : public ControlPlane {
 public:
  ThreadPlane(std::shared_ptr<ThreadGroup> group, int rank)
      : group_{std::move(group)}, rank_{rank} {}

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(group_->shown[0].size()); }
  void barrier() override { group_->meeting.arrive_and_wait(); }
  /// What follows waits for all.
  void wait_for_all() override {}

  void max(std::span<double> values) override {
    auto& mine = numbers_[call_ % 2];
    mine.assign(values.begin(), values.end());
    for (const void* one : of_all(&mine)) {
      const auto& others = *static_cast<const std::vector<double>*>(one);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::max(values[i], others[i]);
    }
  }

  void broadcast(std::span<char> bytes, int root) override {
    const auto* data = static_cast<const char*>(of_all(bytes.data())[root]);
    if (rank_ != root) std::copy_n(data, bytes.size(), bytes.begin());
    barrier();  // the root may write its own again
  }

  /// What every rank passes; it is to be left alone until this rank's next call has returned.
  [[nodiscard]] const std::vector<const void*>& of_all(const void* mine) {
    auto& shown = group_->shown[call_++ % 2];
    shown[rank_] = mine;
    barrier();
    return shown;
  }

  [[nodiscard]] std::unique_ptr<ControlPlane> split(int colour) override {
    auto& made = group_->made[call_ % 2];
    int size = 0, rank = 0;
    const auto& colours = of_all(&colour);
    for (int other = 0; other < this->size(); ++other) {
      if (*static_cast<const int*>(colours[other]) != colour) continue;
      if (other < rank_) ++rank;
      ++size;
    }
    auto part = std::make_unique<ThreadPlane>(made_for(made, colour, size), rank);
    barrier();
    if (rank_ == 0) made.clear();
    barrier();
    return part;
  }

  [[nodiscard]] void* native() override { return group_.get(); }
  [[noreturn]] void abort(int) override { std::abort(); }

 private:
  std::shared_ptr<ThreadGroup> made_for(std::map<int, std::shared_ptr<ThreadGroup>>& made,
                                        int colour, int size) {
    const std::lock_guard lock{group_->mutex};
    auto& part = made[colour];
    if (!part) part = std::make_shared<ThreadGroup>(size);
    return part;
  }

  std::shared_ptr<ThreadGroup> group_;
  int rank_;
  unsigned call_ = 0;
  std::array<std::vector<double>, 2> numbers_;
};

/// Runs `body` on every rank; a rank's exception is its text. A rank that throws while others wait
/// for it would hang: `body` agrees on failures, as programs do.
inline std::vector<std::string> on_thread_ranks(int ranks,
                                                const std::function<void(ControlPlane&)>& body) {
  const auto group = std::make_shared<ThreadGroup>(ranks);
  std::vector<std::string> problems(static_cast<std::size_t>(ranks));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      try {
        ThreadPlane plane{group, rank};
        body(plane);
      } catch (const std::exception& problem) {
        problems[rank] = problem.what();
      }
    });
  threads.clear();
  return problems;
}

}  // namespace moecal::testing
