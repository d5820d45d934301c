// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/group_donors.hpp"

#include "core/collective.hpp"
#include "core/dtype.hpp"

namespace moecal::calibration {

std::optional<int> lending_distance(const std::string& operation, const std::string& own,
                                    const std::string& lent) {
  if (own == lent) return 0;
  if (own.empty() || lent.empty()) return std::nullopt;
  const auto width = size_of(parse_dtype(own));
  const bool same_width = width == size_of(parse_dtype(lent));
  if (only_moves_bytes(operation)) return same_width ? 1 : 2;
  return same_width && width == 2 ? std::optional{1} : std::nullopt;
}

}  // namespace moecal::calibration
