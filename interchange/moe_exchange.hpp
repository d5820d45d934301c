// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "core/observation.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/launch.hpp"
#include "interchange/printed_number.hpp"

namespace moecal::interchange {

/// What a dispatch of tokens to their experts, or the combine after it, was asked to move.
struct ExchangeShape {
  std::int64_t tokens = 0;  // of one rank
  std::int64_t hidden = 0, experts = 0, top_k = 0;
  [[nodiscard]] Point point() const {
    return {{"tokens", tokens}, {"hidden", hidden}, {"experts", experts}, {"top_k", top_k}};
  }
};

/// An FP8 row as DeepEP's low-latency dispatch sends it: 1 byte an element, a scale of 4 bytes for
/// each 128, and 16 bytes of header.
[[nodiscard]] inline double bytes_of_fp8_row(std::int64_t hidden) {
  return static_cast<double>(hidden) * (1 + 4.0 / 128) + 16;
}

/// Rows that DeepEP's low-latency test lacks of all choices of experts, at most: it takes so many
/// away again, fewer where two fall on one place.
inline constexpr double kMaskedRows = 10;

/// A row in bf16.
[[nodiscard]] inline double bytes_of_bf16_row(std::int64_t hidden) {
  return 2.0 * static_cast<double>(hidden);
}

/// One side of an exchange that a tool other than aiconfigurator timed.
struct ExchangeRow {
  int line = 0;
  std::string operation, implementation, dtype;
  double seconds = 0;
  ExchangeShape shape;
  Launch launch;  // complete
  LibraryInfo library;
};

/// Takes it. @throws InvalidInput if it cannot be.
void take_exchange(KernelCollector& collector, const Device& device, const ExchangeRow& row);

/// The launch over the ranks of --ranks or else of the file, with nodes and tier, and a note that
/// says so. @throws InvalidInput at `line` if neither names ranks.
[[nodiscard]] Launch exchange_launch(KernelCollector& collector, const Device& device,
                                     const std::optional<Launch>& of_file, int line);

/// How many rows of so many bytes a printed rate and time come to.
struct RowsMoved {
  double lo = 0, hi = 0;
  [[nodiscard]] bool meet(const RowsMoved& other) const { return lo <= other.hi && other.lo <= hi; }
};
[[nodiscard]] RowsMoved rows_moved(const PrintedNumber& gigabytes_per_second,
                                   const PrintedNumber& microseconds, double bytes_per_row);

/// The number that follows these words in a line, blanks between them aside; nothing without both.
[[nodiscard]] std::optional<PrintedNumber> number_after(std::string_view line,
                                                        std::string_view words);

}  // namespace moecal::interchange
