// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "core/periodic_bytes.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// Copies between the host's memory and devices'.
namespace moecal::kernels {

struct HostTransferShape {
  std::int64_t bytes = 0;  // each way, and of each device
};

/// What is copied at once.
struct HostTransferKind {
  bool to_device = false;
  bool to_host = false;  // with to_device: both ways at once
  bool pinned = true;    // page-locked host memory; else what malloc gives
  bool all_devices = false;
};

/// Bytes over the links, a message each way of each device: of `devices` if the kind is of all.
[[nodiscard]] Work host_transfer_work(const HostTransferShape& shape, const HostTransferKind& kind,
                                      int devices = 1);

/// The oracle: what a copy there and back leaves, on the host.
void host_transfer_cpu(std::span<const std::byte> from, std::span<std::byte> to);

/// The bytes that copy number `number` moves: another one's are others, so that one that went to
/// the wrong place is seen.
[[nodiscard]] PeriodicBytes transfer_pattern(std::uint64_t number, std::int64_t bytes);

/// Host memory of one set: of `devices` devices if the kind is of all.
[[nodiscard]] Bytes host_memory_of(const HostTransferShape& shape, const HostTransferKind& kind,
                                   int devices);

/// The buffers of one set, on the host and on the devices, and the streams of the copies.
class HostTransfer {
 public:
  virtual ~HostTransfer() = default;
  /// Enqueues the copies so that they run at once: `stream` waits for the last of them. Pageable
  /// ones may hold the caller until they are done.
  virtual void run(Stream stream) = 0;
  /// Whether every byte of the last run is at its target; waits for it.
  [[nodiscard]] virtual bool arrived() = 0;
};

/// On the current device, or on all of this process. Only in builds with CUDA.
/// @throws Unsupported if there is not that much memory.
[[nodiscard]] std::unique_ptr<HostTransfer> make_host_transfer(const HostTransferShape& shape,
                                                               const HostTransferKind& kind);

}  // namespace moecal::kernels
