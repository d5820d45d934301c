// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "runtime/control_plane.hpp"

namespace moecal::testing {

/// A barrier that a rank which leaves can break.
class Meeting {
 public:
  explicit Meeting(int size) : size_{size} {}
  /// @throws RankLost with the reason, if the meeting is broken before all have come.
  void wait() {
    std::unique_lock lock{mutex_};
    const unsigned round = round_;
    if (broken_.empty() && ++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
      return;
    }
    changed_.wait(lock, [&] { return round_ != round || !broken_.empty(); });
    if (round_ == round) throw RankLost{broken_};
  }
  void break_up(const std::string& reason) {
    const std::lock_guard lock{mutex_};
    if (broken_.empty()) broken_ = reason;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int size_;
  int arrived_ = 0;
  unsigned round_ = 0;
  std::string broken_;  // why; empty: it is not
};

/// What the ranks of one plane share. Ranks are threads of one process: a hundred of them start in
/// milliseconds. Calls alternate between two tables, so that one meeting per call is enough: nobody
/// is two calls ahead of a rank that still reads.
struct ThreadGroup {
  explicit ThreadGroup(int size) : meeting{size} {
    for (auto& table : shown) table.resize(static_cast<std::size_t>(size));
    for (auto& table : numbers) table.resize(static_cast<std::size_t>(size));
  }
  Meeting meeting;
  /// [call % 2][rank]; here, because a rank may end while others still read its numbers.
  std::array<std::vector<std::vector<double>>, 2> numbers;
  std::array<std::vector<const void*>, 2> shown;                      // [call % 2][rank]
  std::array<std::map<int, std::shared_ptr<ThreadGroup>>, 2> made{};  // by colour, of a split
  std::vector<std::weak_ptr<ThreadGroup>> parts;                      // all ever made of it
  std::mutex mutex;                                                   // of made and parts
  std::string left;  // why somebody left; whoever makes a part then makes a broken one

  /// Nobody waits any more for a rank that left, here or in a part.
  void break_up(const std::string& reason) {
    const std::lock_guard lock{mutex};
    if (left.empty()) left = reason;  // who leaves because others left is not the reason
    for (const auto& part : parts)
      if (const auto living = part.lock()) living->break_up(left);
    meeting.break_up(left);
  }
};

/// A rank that leaves by an exception breaks its plane up: what the others then call throws
/// RankLost with its reason.
class ThreadPlane : public ControlPlane {
 public:
  ThreadPlane(std::shared_ptr<ThreadGroup> group, int rank)
      : group_{std::move(group)}, rank_{rank} {}

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(group_->shown[0].size()); }
  void barrier() override { group_->meeting.wait(); }
  /// What follows waits for all.
  void wait_for_all() override {}

  void max(std::span<double> values) override {
    auto& mine = group_->numbers[call_ % 2][static_cast<std::size_t>(rank_)];
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
  [[noreturn]] void abort(int, const std::string& reason) override {
    throw Error{"rank " + std::to_string(rank_) + " " + reason};
  }

 private:
  std::shared_ptr<ThreadGroup> made_for(std::map<int, std::shared_ptr<ThreadGroup>>& made,
                                        int colour, int size) {
    const std::lock_guard lock{group_->mutex};
    auto& part = made[colour];
    if (part) return part;
    part = std::make_shared<ThreadGroup>(size);
    if (!group_->left.empty()) part->break_up(group_->left);
    group_->parts.push_back(part);
    return part;
  }

  std::shared_ptr<ThreadGroup> group_;
  int rank_;
  unsigned call_ = 0;
};

/// Runs `body` on every rank; a rank's exception is its text, which the ranks that wait for it get
/// too.
template <class Plane>
std::vector<std::string> on_ranks_of(int ranks, const std::function<void(ControlPlane&)>& body) {
  const auto group = std::make_shared<ThreadGroup>(ranks);
  std::vector<std::string> problems(static_cast<std::size_t>(ranks));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      Plane plane{group, rank};
      try {
        body(plane);
      } catch (const std::exception& problem) {
        problems[rank] = problem.what();
        group->break_up("rank " + std::to_string(rank) + " left: " + problem.what());
      }
    });
  threads.clear();
  return problems;
}

inline std::vector<std::string> on_thread_ranks(int ranks,
                                                const std::function<void(ControlPlane&)>& body) {
  return on_ranks_of<ThreadPlane>(ranks, body);
}

/// The same for ranks of which none may leave. @throws Error with what one threw.
inline void agreeing_ranks(int ranks, const std::function<void(ControlPlane&)>& body) {
  for (const auto& problem : on_thread_ranks(ranks, body))
    if (!problem.empty()) throw Error{problem};
}

}  // namespace moecal::testing
