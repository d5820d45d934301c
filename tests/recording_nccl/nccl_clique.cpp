// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_nccl/nccl_clique.hpp"

#include <algorithm>
#include <chrono>
#include <tuple>

namespace moecal::tests {
namespace {

constexpr std::chrono::seconds kPatience{20};  // no test waits so long unless a rank hangs

std::atomic<int> cliques_made = 0;

bool has_failed(const std::vector<RecordedNcclCall>& batch) {
  return batch.size() == 1 && batch[0].function == kFailed;
}

bool is_split(const std::vector<std::vector<RecordedNcclCall>>& batches) {
  return std::ranges::all_of(batches, [](const auto& batch) {
    return batch.size() == 1 && batch[0].function == "ncclCommSplit";
  });
}

// Ranks of one colour, by key, then by rank.
void split(const std::vector<std::vector<RecordedNcclCall>>& batches,
           std::vector<NcclMeeting>& results) {
  std::map<int, std::vector<std::tuple<int, int>>> colours;  // key, rank
  for (const auto& batch : batches)
    colours[batch[0].colour].emplace_back(batch[0].key, batch[0].rank);
  for (auto& [colour, members] : colours) {
    std::ranges::sort(members);
    const auto made = std::make_shared<NcclClique>(static_cast<int>(members.size()));
    for (std::size_t i = 0; i < members.size(); ++i) {
      NcclMeeting& result = results[static_cast<std::size_t>(std::get<1>(members[i]))];
      result.made = made;
      result.rank_in_made = static_cast<int>(i);
    }
  }
}

}  // namespace

NcclClique::NcclClique(int size)
    : number_{cliques_made++},
      batches_(static_cast<std::size_t>(size)),
      present_(batches_.size()),
      results_(batches_.size()) {}

void NcclClique::act() {
  results_.assign(batches_.size(), {});
  const auto failed = std::ranges::find_if(batches_, has_failed);
  if (failed != batches_.end()) {
    const std::string rank = std::to_string(failed - batches_.begin());
    results_.assign(batches_.size(), {ncclSystemError, "rank " + rank + " never made the call"});
  } else if (is_split(batches_)) {
    split(batches_, results_);
  } else if (std::string problem = move_data(batches_); !problem.empty()) {
    results_.assign(batches_.size(), {ncclInvalidUsage, problem});
  }
  present_.assign(present_.size(), false);
  ++meetings_;
}

NcclMeeting NcclClique::meet(int rank, std::vector<RecordedNcclCall> batch) {
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
  return {ncclSystemError, "rank " + std::to_string(missing) + " never made the call"};
}

}  // namespace moecal::tests
