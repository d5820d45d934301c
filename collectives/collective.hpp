// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.hpp"

// NCCL's own communicator type, declared so that no header of moecal needs NCCL's.
struct ncclComm;

namespace moecal::collectives {

/// Who sends how much to whom where that is not the same for all: all_to_all_v/all_to_all_v.hpp.
struct RoutedExchange;

/// This rank's end of a group's communicator, not owned. NCCL does not tell the rank of one that
/// failed, so it is kept beside the handle.
struct NcclCommunicator {
  ncclComm* handle = nullptr;
  int rank = 0;  // in the group
  int size = 1;
};

/// One collective over the ranks of one group. What `bytes` counts is each collective's own word:
/// see collectives/README.md.
struct CollectiveShape {
  std::int64_t bytes = 0;
  Dtype dtype = Dtype::f32;
  int group = 1;                             // ranks
  const RoutedExchange* exchange = nullptr;  // of all_to_all_v; not owned
  int index = 0;  // of this group among those of the launch: their data differ

  [[nodiscard]] std::int64_t elements() const { return bytes / size_of(dtype); }
};

/// Bytes that one rank sends from and receives into.
struct CollectiveBuffers {
  std::int64_t send = 0;
  std::int64_t receive = 0;
};

/// One rank's buffers: device memory for NCCL, host memory otherwise. They do not overlap, unless
/// `in_place`: then the smaller one is this rank's block of the larger one.
struct CollectiveTensors {
  const std::byte* send = nullptr;
  std::byte* receive = nullptr;
  bool in_place = false;
};

}  // namespace moecal::collectives
