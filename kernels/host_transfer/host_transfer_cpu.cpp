// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "core/hash.hpp"
#include "kernels/host_transfer/host_transfer.hpp"

namespace moecal::kernels {
namespace {

constexpr std::size_t kPeriod = 1'048'573;  // a prime

}  // namespace

// Another one for every copy: one that went to the wrong place is seen.
TransferPattern::TransferPattern(std::uint64_t number) : period_(kPeriod) {
  const std::uint64_t start = mix(number);
  for (std::size_t i = 0; i < kPeriod; ++i)
    period_[i] = static_cast<std::byte>((start + i * 2654435761U) >> 13);
}

void TransferPattern::fill(std::span<std::byte> to, std::int64_t first) const {
  for (std::size_t done = 0; done < to.size();) {
    const std::size_t from = (static_cast<std::size_t>(first) + done) % kPeriod;
    const std::size_t count = std::min(kPeriod - from, to.size() - done);
    std::memcpy(to.data() + done, period_.data() + from, count);
    done += count;
  }
}

bool TransferPattern::is_in(std::span<const std::byte> bytes, std::int64_t first) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const std::size_t from = (static_cast<std::size_t>(first) + done) % kPeriod;
    const std::size_t count = std::min(kPeriod - from, bytes.size() - done);
    if (std::memcmp(bytes.data() + done, period_.data() + from, count) != 0) return false;
    done += count;
  }
  return true;
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
