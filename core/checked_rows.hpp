// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

/// How much of a result that is too large to be computed again whole a verification looks at.
namespace moecal {

/// A result that took no more is computed again whole, in double.
inline constexpr double kFullCheckFlops = 0x1p28;
/// A result of no more elements is looked at whole.
inline constexpr std::int64_t kFullCheckElements = std::int64_t{1} << 23;

/// Of the rows of a larger result: as many as have kFullCheckElements, 1024 at least, and one of
/// each 32. Each of `share` results that are verified together has its share of the first two. May
/// be more than there are.
[[nodiscard]] std::int64_t enough_rows(std::int64_t rows, std::int64_t row_elements,
                                       std::int64_t share = 1);

/// One row of each of `count` stretches of equal length, somewhere in it: periodic errors are not
/// missed. Ascending, and always the same. @param count  at most `rows`
[[nodiscard]] std::vector<std::int64_t> row_of_each_stretch(std::int64_t rows, std::int64_t count);

}  // namespace moecal
