// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/fill.hpp"
#include "core/hash.hpp"
#include "kernels/host_transfer/host_transfer.hpp"

namespace moecal::kernels {

PeriodicBytes transfer_pattern(std::uint64_t number, std::int64_t bytes) {
  return pattern_bytes(mix(number), bytes);
}

Bytes host_memory_of(const HostTransferShape& shape, const HostTransferKind& kind, int devices) {
  return host_transfer_work(shape, kind, devices).sent;
}

Work host_transfer_work(const HostTransferShape& shape, const HostTransferKind& kind, int devices) {
  const int ways =
      ((kind.to_device ? 1 : 0) + (kind.to_host ? 1 : 0)) * (kind.all_devices ? devices : 1);
  return {.sent = Bytes{static_cast<double>(shape.bytes) * ways}, .messages = ways};
}

void host_transfer_cpu(std::span<const std::byte> from, std::span<std::byte> to) {
  std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace moecal::kernels
