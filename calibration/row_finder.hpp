// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace moecal::calibration {

/// Finds the row of a table that a size falls in, by the size's binary exponent: rows are often a
/// doubling apart, and then there is nothing to search, and no branch to guess.
class RowFinder {
 public:
  RowFinder() = default;
  /// @param begins positive and ascending: where each row begins. The last row has no end.
  explicit RowFinder(std::vector<double> begins) : begins_{std::move(begins)} {
    if (begins_.empty()) return;
    first_exponent_ = exponent(begins_.front());
    std::size_t row = 0;
    for (int e = first_exponent_; e <= exponent(begins_.back()); ++e) {
      while (row + 1 < begins_.size() && begins_[row + 1] <= std::ldexp(1.0, e)) ++row;
      row_of_exponent_.push_back(row);
    }
  }

  [[nodiscard]] bool empty() const { return begins_.empty(); }
  /// The last row that begins at or before the size, which is at least the first row's begin.
  [[nodiscard]] std::size_t row(double size) const {
    if (size >= begins_.back()) return begins_.size() - 1;
    auto row = row_of_exponent_[static_cast<std::size_t>(exponent(size) - first_exponent_)];
    while (begins_[row + 1] <= size) ++row;
    return row;
  }

 private:
  /// e with 2^e <= size < 2^(e + 1).
  static int exponent(double size) {
    return static_cast<int>(std::bit_cast<std::uint64_t>(size) >> 52) - 1023;
  }

  std::vector<double> begins_;
  int first_exponent_ = 0;
  std::vector<std::size_t> row_of_exponent_;
};

}  // namespace moecal::calibration
