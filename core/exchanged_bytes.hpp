// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

namespace moecal {

/// What each rank of a group has in an exchange by one routing draw, in bytes; what a rank sends to
/// itself is counted. Empty where nothing was routed, or nobody recorded it.
struct ExchangedBytes {
  std::vector<std::int64_t> sent, received;  // [group]
  [[nodiscard]] bool empty() const { return sent.empty(); }
  bool operator==(const ExchangedBytes&) const = default;
};

/// The most that one rank sends or receives.
[[nodiscard]] double bytes_of_busiest_rank(const ExchangedBytes& exchanged);
/// What a rank sends on average, and so what it receives.
[[nodiscard]] double mean_bytes(const ExchangedBytes& exchanged);

}  // namespace moecal
