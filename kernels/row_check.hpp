// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/periodic_bytes.hpp"

/// Which rows of a large result a verification computes again, and taking them out of arrays.
namespace moecal::bench {

/// A core verifies so many rows at a time.
inline constexpr std::int64_t kRowsAtOnce = 64;

/// The rows of an array [rows, row_elements] that a verification computes again: all of up to 2^23
/// elements; else about as many elements, and 1024 rows at least, one of each stretch of equal
/// length, of 32 rows at most, the first and the last row among them. Ascending, and always the
/// same.
[[nodiscard]] std::vector<std::int64_t> rows_to_check(std::int64_t rows, std::int64_t row_elements);
/// "full", or "5120 of 163840 rows".
[[nodiscard]] std::string check_method(const std::vector<std::int64_t>& checked, std::int64_t rows);
/// Those rows of an array, one after the other; its last row may be shorter.
[[nodiscard]] std::vector<std::byte> rows_of(const PeriodicBytes& array,
                                             const std::vector<std::int64_t>& rows,
                                             std::int64_t row_bytes);
/// Those columns of an array [any, columns]: the scales of these rows, of blocks.
[[nodiscard]] std::vector<float> columns_of(const std::vector<float>& array,
                                            const std::vector<std::int64_t>& wanted,
                                            std::int64_t columns);

/// Tokens of a routed operation that a verification looks at, with all their rows.
struct RoutedRows {
  std::vector<std::int64_t> tokens;  // ascending
  std::vector<std::int64_t> rows;    // that their choices have: the first's choices first
  std::vector<std::int32_t> row_of;  // [tokens, top_k]: which of `rows`; -1: dropped
};

/// Of row_of [tokens, top_k]: rows_to_check of the tokens, those that have the first and the last
/// row taken, and the first and the last of which a choice was dropped.
[[nodiscard]] RoutedRows routed_rows_to_check(const std::vector<std::int32_t>& row_of,
                                              std::int64_t top_k, std::int64_t row_elements);

}  // namespace moecal::bench
