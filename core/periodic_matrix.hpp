// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>

#include "core/host_matrix.hpp"
#include "core/periodic_bytes.hpp"

namespace moecal {

/// A matrix that is an operand: [rows, columns] row-major without padding, as HostMatrix, but its
/// elements repeat and only their period is in memory.
struct PeriodicMatrix {
  Dtype dtype = Dtype::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float scale = 1.0F;
  PeriodicBytes data;
};

/// Uniform over [-1, 1], as rounded to the dtype; the same on every machine for the same seed. FP8
/// uses its whole range, with the scale that brings 448 (or 57344) back to 1; integers are uniform
/// over [-63, 63], unscaled. Elements repeat after kFillPeriod.
[[nodiscard]] PeriodicMatrix uniform_matrix(Dtype dtype, const MatrixShape& shape,
                                            std::uint64_t seed);

/// A matrix whose every element is given.
[[nodiscard]] PeriodicMatrix given_matrix(HostMatrix matrix);

/// Some rows that follow one another.
[[nodiscard]] PeriodicMatrix rows_of_matrix(const PeriodicMatrix& matrix, std::int64_t first,
                                            std::int64_t count);

/// The scaled values of one row; `values` has `columns` elements.
void decode_row(const PeriodicMatrix& matrix, std::int64_t row, std::span<double> values);

/// The scaled values of one column; `values` has `rows` elements.
void decode_column(const PeriodicMatrix& matrix, std::int64_t column, std::span<double> values);

}  // namespace moecal
