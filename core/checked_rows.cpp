// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/checked_rows.hpp"

#include <algorithm>

#include "core/hash.hpp"

namespace moecal {
namespace {

constexpr std::int64_t kFewestRows = 1024;
// One of each 32 rows: any 64 that follow one another hold such a stretch whole.
constexpr std::int64_t kLongestStretch = 32;

}  // namespace

std::int64_t enough_rows(std::int64_t rows, std::int64_t row_elements, std::int64_t share) {
  return std::max({kFewestRows / share,
                   kFullCheckElements / share / std::max<std::int64_t>(1, row_elements),
                   (rows + kLongestStretch - 1) / kLongestStretch});
}

std::vector<std::int64_t> row_of_each_stretch(std::int64_t rows, std::int64_t count) {
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = i * rows / count, length = (i + 1) * rows / count - first;
    chosen.push_back(first + static_cast<std::int64_t>(mix(static_cast<std::uint64_t>(i)) %
                                                       static_cast<std::uint64_t>(length)));
  }
  return chosen;
}

}  // namespace moecal
