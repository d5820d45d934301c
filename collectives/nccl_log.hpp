// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

/// What NCCL itself says of the algorithm it took, where its user asked it to: NCCL_DEBUG=INFO,
/// NCCL_DEBUG_SUBSYS with TUNING, and NCCL_DEBUG_FILE. A line is written per call, by rank 0 of a
/// communicator; NCCL cannot be told to stop, so moecal does not ask for it where it measures.
namespace moecal::collectives {

/// A collective as NCCL's log names it.
struct LoggedCall {
  std::string_view function;  // AllReduce, AllGather, ReduceScatter, Broadcast; empty: never logged
  std::int64_t bytes = 0;     // of the smaller of a rank's buffers
};

/// "RING LL128", or all that it took if calls of one size differ: "RING LL, TREE LL"; "unknown" if
/// no line speaks of the call. `log` holds whole lines of the form
///   host:pid:tid [0] NCCL INFO AllReduce: 1024 Bytes -> Algo RING proto LL channel{Lo..Hi}={0..1}
/// (src/enqueue.cc of NCCL 2.23 to 2.28; later releases add to its end). Releases before that write
/// numbers whose meaning changed between them: unknown.
[[nodiscard]] std::string algorithm_in_log(std::string_view log, const LoggedCall& call);

/// A file's name as NCCL makes it: %h becomes the host, %p the process id, %% a percent sign;
/// another letter stays as it is.
[[nodiscard]] std::string expand_nccl_path(std::string_view pattern, const std::string& host,
                                           const std::string& process);

/// The file that NCCL writes in this process: $NCCL_DEBUG_FILE, expanded, the host being this one's
/// name up to the first dot. Empty if NCCL writes no choice of algorithms to a file.
[[nodiscard]] std::string nccl_log_path();

/// The log of this process from the moment on at which the object is made.
class NcclLogTail {
 public:
  explicit NcclLogTail(std::string path = nccl_log_path());
  /// algorithm_in_log() of what came since; unknown if there is no log.
  [[nodiscard]] std::string algorithm_of(const LoggedCall& call) const;

 private:
  std::string path_;
  std::int64_t start_ = 0;  // bytes
};

}  // namespace moecal::collectives
