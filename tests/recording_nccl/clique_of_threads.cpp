// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <tuple>

#include "tests/recording_nccl/nccl_clique.hpp"

namespace moecal::tests {
namespace {

constexpr std::chrono::seconds kPatience{20};  // no test waits so long unless a rank hangs

std::atomic<int> cliques_made = 0;

/// The last rank to come does the work of all, in the memory of all.
class CliqueOfThreads final : public NcclClique {
 public:
  explicit CliqueOfThreads(int size)
      : number_{cliques_made++},
        batches_(static_cast<std::size_t>(size)),
        present_(batches_.size()),
        results_(batches_.size()) {}

  [[nodiscard]] int number() const override { return number_; }
  [[nodiscard]] int size() const override { return static_cast<int>(batches_.size()); }
  NcclMeeting meet(int rank, std::vector<RecordedNcclCall> batch) override;

 private:
  void act();

  int number_;
  std::mutex mutex_;
  std::condition_variable all_met_;
  std::vector<std::vector<RecordedNcclCall>> batches_;  // [rank]
  std::vector<bool> present_;                           // [rank]
  std::vector<NcclMeeting> results_;                    // [rank] of the last meeting
  int meetings_ = 0;
};

// Ranks of one colour, by key, then by rank.
void split(const std::vector<std::vector<RecordedNcclCall>>& batches,
           std::vector<NcclMeeting>& results) {
  std::map<int, std::vector<std::tuple<int, int>>> colours;  // key, rank
  for (const auto& batch : batches)
    colours[batch[0].colour].emplace_back(batch[0].key, batch[0].rank);
  for (auto& [colour, members] : colours) {
    std::ranges::sort(members);
    const auto made = std::make_shared<CliqueOfThreads>(static_cast<int>(members.size()));
    for (std::size_t i = 0; i < members.size(); ++i) {
      NcclMeeting& result = results[static_cast<std::size_t>(std::get<1>(members[i]))];
      result.made = made;
      result.rank_in_made = static_cast<int>(i);
    }
  }
}

void CliqueOfThreads::act() {
  results_.assign(batches_.size(), {});
  const auto failed = std::ranges::find_if(batches_, has_failed);
  if (failed != batches_.end()) {
    results_.assign(batches_.size(), never_came(failed - batches_.begin()));
  } else if (is_split(batches_)) {
    split(batches_, results_);
  } else if (std::string problem = move_data(batches_); !problem.empty()) {
    results_.assign(batches_.size(), {ncclInvalidUsage, problem});
  }
  present_.assign(present_.size(), false);
  ++meetings_;
}

NcclMeeting CliqueOfThreads::meet(int rank, std::vector<RecordedNcclCall> batch) {
  const auto self = static_cast<std::size_t>(rank);
  std::unique_lock lock{mutex_};
  if (self >= present_.size() || present_[self])
    return {ncclInvalidUsage, "two callers are rank " + std::to_string(rank)};
  batches_[self] = std::move(batch);
  present_[self] = true;
  if (std::ranges::all_of(present_, [](bool here) { return here; })) {
    act();
    all_met_.notify_all();
    return results_[self];
  }
  const int meeting = meetings_;
  if (all_met_.wait_for(lock, kPatience, [&] { return meetings_ != meeting; }))
    return results_[self];
  const auto missing = std::ranges::find(present_, false) - present_.begin();
  present_[self] = false;
  return never_came(missing);
}

}  // namespace

std::shared_ptr<NcclClique> find_clique(int identity, int size) {
  static std::mutex mutex;
  static std::map<int, std::shared_ptr<NcclClique>> cliques;
  const std::lock_guard lock{mutex};
  auto& clique = cliques[identity];
  if (!clique) clique = std::make_shared<CliqueOfThreads>(size);
  return clique;
}

}  // namespace moecal::tests
