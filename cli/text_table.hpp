// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace moecal::cli {

/// A table for reading: each column is as wide as its widest cell.
class TextTable {
 public:
  enum class Side { left, right };
  struct Column {
    std::string name;
    Side side = Side::left;
  };

  explicit TextTable(const std::vector<Column>& columns);
  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// A line a row, the columns' names first, two spaces between columns and none at the end.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Side> sides_;
  std::vector<std::vector<std::string>> rows_;
};

/// Of a positive number three significant digits, without an exponent: 0.0123, 4.56, 1230.
[[nodiscard]] std::string three_digits(double value);

}  // namespace moecal::cli
