// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/dtype.hpp"
#include "core/periodic_bytes.hpp"

namespace moecal {

/// Elements uniform over [-largest, largest], as rounded to the dtype.
struct UniformFill {
  Dtype dtype = Dtype::f32;
  std::uint64_t seed = 0;
  double largest = 1;
};

/// So many of them, the same on every machine; they repeat after kFillPeriod elements. Periods are
/// kept until the program ends, for the next points of a sweep want the same again.
[[nodiscard]] PeriodicBytes uniform_bytes(const UniformFill& fill, std::int64_t count);

/// Bytes that follow from their index, from a start on: no two blocks that are moved are alike, so
/// that a misplaced one is seen.
[[nodiscard]] PeriodicBytes pattern_bytes(std::uint64_t start, std::int64_t count);

}  // namespace moecal
