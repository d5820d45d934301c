// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/text_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace moecal::cli {

TextTable::TextTable(const std::vector<Column>& columns) {
  rows_.emplace_back();
  for (const auto& column : columns) {
    rows_.front().push_back(column.name);
    sides_.push_back(column.side);
  }
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths(sides_.size(), 0);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line +=
          (i == 0 ? "" : "  ") + (sides_[i] == Side::left ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string three_digits(double value) {
  if (!(value > 0) || !std::isfinite(value)) return std::to_string(value);
  // What rounding takes to the next power of ten has a digit less behind the point.
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), "%.2e", value);
  const double rounded = std::strtod(text.data(), nullptr);
  const int decimals = std::max(0, 2 - static_cast<int>(std::floor(std::log10(rounded))));
  std::snprintf(text.data(), text.size(), "%.*f", decimals, rounded);
  return text.data();
}

}  // namespace moecal::cli
