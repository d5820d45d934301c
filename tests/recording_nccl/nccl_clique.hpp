// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
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
  virtual ~NcclClique() = default;
  /// Ranks of one clique know it by one number, which no other clique of theirs has.
  [[nodiscard]] virtual int number() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  /// Waits for the other ranks and does the work of all. Nothing is done if one of them comes with
  /// kFailed only.
  virtual NcclMeeting meet(int rank, std::vector<RecordedNcclCall> batch) = 0;
};

/// The clique that an identity (ncclUniqueId) stands for: its first caller makes it. Defined by
/// clique_of_threads.cpp, for ranks that are threads of one process, and by
/// clique_of_processes.cpp, for the ranks of an mpirun: a test links one of them.
[[nodiscard]] std::shared_ptr<NcclClique> find_clique(int identity, int size);

/// [rank][call]: that a rank's call failed; that all split their communicator.
[[nodiscard]] bool has_failed(const std::vector<RecordedNcclCall>& batch);
[[nodiscard]] bool is_split(const std::vector<std::vector<RecordedNcclCall>>& batches);
/// What every rank hears if one failed.
[[nodiscard]] NcclMeeting never_came(std::ptrdiff_t rank);

/// Bytes of an element. @throws std::runtime_error for types that no test uses.
[[nodiscard]] std::size_t element_bytes(ncclDataType_t type);
/// What a call reads and writes on its rank of a communicator of so many; 0 if it moves nothing.
[[nodiscard]] std::size_t sent_bytes(const RecordedNcclCall& call, int ranks);
[[nodiscard]] std::size_t received_bytes(const RecordedNcclCall& call, int ranks);
/// Does what every rank's calls say: [rank][call]. Empty, or what does not fit together.
[[nodiscard]] std::string move_data(const std::vector<std::vector<RecordedNcclCall>>& batches);

}  // namespace moecal::tests
