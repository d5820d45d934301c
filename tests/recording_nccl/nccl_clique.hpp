// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <memory>

#include "tests/recording_nccl/recording_nccl.hpp"

namespace moecal::tests {

class NcclClique;

/// The function of a rank that came only to say that its call failed.
inline const std::string kFailed = "failed";

/// Where a rank is after a meeting: in the clique that the meeting made for it, if any.
struct NcclMeeting {
  ncclResult_t status = ncclSuccess;
  std::string problem{};
  std::shared_ptr<NcclClique> made{};
  int rank_in_made = -1;
};

/// The ranks of one communicator. What one asks for happens when all have asked.
class NcclClique {
 public:
  explicit NcclClique(int size);

  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] int size() const { return static_cast<int>(batches_.size()); }
  /// Waits for the other ranks; the last one does the work of all. Nothing is done if one of them
  /// comes with kFailed only.
  NcclMeeting meet(int rank, std::vector<RecordedNcclCall> batch);

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

/// Bytes of an element. @throws std::runtime_error for types that no test uses.
[[nodiscard]] std::size_t element_bytes(ncclDataType_t type);
/// Does what every rank's calls say: [rank][call]. Empty, or what does not fit together.
[[nodiscard]] std::string move_data(const std::vector<std::vector<RecordedNcclCall>>& batches);

}  // namespace moecal::tests
