// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

namespace moecal::calibration {

/// How far the dtype of another system's series lies from that of the groups it is to lend to: 0 of
/// the same, 1 of another as wide, 2 of any other. A sum depends on its type: of those only
/// the two floats of 16 bits lend to each other. Absent: it lends nothing.
[[nodiscard]] std::optional<int> lending_distance(const std::string& operation,
                                                  const std::string& own, const std::string& lent);

}  // namespace moecal::calibration
