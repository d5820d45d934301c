// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/row_check.hpp"

#include <algorithm>
#include <iterator>

#include "core/checked_rows.hpp"

namespace moecal::bench {
namespace {

/// The tokens at both ends of what a routing table says.
std::vector<std::int64_t> tokens_at_the_edges(const std::vector<std::int32_t>& row_of,
                                              std::int64_t top_k) {
  if (row_of.empty()) return {};
  const auto token_of = [&](auto place) { return (place - row_of.begin()) / top_k; };
  std::vector<std::int64_t> tokens{token_of(std::ranges::max_element(row_of))};
  if (const auto first = std::ranges::find(row_of, 0); first != row_of.end())
    tokens.push_back(token_of(first));
  if (const auto dropped = std::ranges::find(row_of, -1); dropped != row_of.end()) {
    const auto last = std::find(row_of.rbegin(), row_of.rend(), -1);
    tokens.insert(tokens.end(), {token_of(dropped), token_of(std::prev(last.base()))});
  }
  return tokens;
}

void sort_and_thin(std::vector<std::int64_t>& values) {
  std::ranges::sort(values);
  const auto again = std::ranges::unique(values);
  values.erase(again.begin(), again.end());
}

}  // namespace

std::vector<std::int64_t> rows_to_check(std::int64_t rows, std::int64_t row_elements) {
  if (rows == 0) return {};
  const bool full = rows * row_elements <= kFullCheckElements;
  auto chosen =
      row_of_each_stretch(rows, full ? rows : std::min(rows, enough_rows(rows, row_elements)));
  chosen.back() = rows - 1;
  chosen.front() = 0;
  return chosen;
}

std::string check_method(const std::vector<std::int64_t>& checked, std::int64_t rows) {
  if (static_cast<std::int64_t>(checked.size()) >= rows) return "full";
  return std::to_string(checked.size()) + " of " + std::to_string(rows) + " rows";
}

std::vector<std::byte> rows_of(const PeriodicBytes& array, const std::vector<std::int64_t>& rows,
                               std::int64_t row_bytes) {
  if (array.size() == 0) return {};
  const auto size = static_cast<std::size_t>(row_bytes);
  std::vector<std::byte> chosen(rows.size() * size);
  std::size_t done = 0;
  for (const auto row : rows) {
    const std::size_t first = static_cast<std::size_t>(row) * size;
    const std::size_t count = std::min(size, array.size() - first);
    array.copy(first, {chosen.data() + done, count});
    done += count;
  }
  chosen.resize(done);
  return chosen;
}

std::vector<float> columns_of(const std::vector<float>& array,
                              const std::vector<std::int64_t>& wanted, std::int64_t columns) {
  std::vector<float> chosen;
  for (std::int64_t row = 0; row * columns < static_cast<std::int64_t>(array.size()); ++row)
    for (const auto column : wanted)
      chosen.push_back(array[static_cast<std::size_t>(row * columns + column)]);
  return chosen;
}

RoutedRows routed_rows_to_check(const std::vector<std::int32_t>& row_of, std::int64_t top_k,
                                std::int64_t row_elements) {
  RoutedRows checked;
  const auto tokens = static_cast<std::int64_t>(row_of.size()) / top_k;
  checked.tokens = rows_to_check(tokens, row_elements);
  const auto edges = tokens_at_the_edges(row_of, top_k);
  checked.tokens.insert(checked.tokens.end(), edges.begin(), edges.end());
  sort_and_thin(checked.tokens);
  for (const auto token : checked.tokens)
    for (std::int64_t choice = token * top_k; choice < (token + 1) * top_k; ++choice) {
      const auto row = row_of[static_cast<std::size_t>(choice)];
      checked.row_of.push_back(row < 0 ? -1 : static_cast<std::int32_t>(checked.rows.size()));
      if (row >= 0) checked.rows.push_back(row);
    }
  return checked;
}

}  // namespace moecal::bench
