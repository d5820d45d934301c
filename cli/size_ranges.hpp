// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/point.hpp"

namespace moecal::cli {

/// Every combination of ranges' values: "bytes=1024:16777216" is 1024, its doublings, and 16777216;
/// "k=4096" one value. No range: one point without numbers.
/// @throws InvalidInput for another text, a name given twice, and more than 10,000 combinations.
[[nodiscard]] std::vector<Point> points_of_ranges(std::span<const std::string> texts);

}  // namespace moecal::cli
