// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_nccl/nccl_clique.hpp"

#include <algorithm>

namespace moecal::tests {

bool has_failed(const std::vector<RecordedNcclCall>& batch) {
  return batch.size() == 1 && batch[0].function == kFailed;
}

bool is_split(const std::vector<std::vector<RecordedNcclCall>>& batches) {
  return std::ranges::all_of(batches, [](const auto& batch) {
    return batch.size() == 1 && batch[0].function == "ncclCommSplit";
  });
}

NcclMeeting never_came(std::ptrdiff_t rank) {
  return {ncclSystemError, "rank " + std::to_string(rank) + " never made the call"};
}

}  // namespace moecal::tests
