// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/dtype.hpp"
#include "core/units.hpp"

namespace moecal {

/// A matrix of any dtype, whole in host memory, as a result is: [rows, columns] row-major without
/// padding. What an element stands for is its decoded value times `scale` (per-tensor scaling; 1
/// where there is none).
struct HostMatrix {
  Dtype dtype = Dtype::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float scale = 1.0F;
  std::vector<std::byte> data;

  [[nodiscard]] const std::byte* row(std::int64_t index) const {
    return data.data() + index * columns * size_of(dtype);
  }
};

struct MatrixShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// A matrix of zeros.
[[nodiscard]] HostMatrix zero_matrix(Dtype dtype, const MatrixShape& shape);

/// Some rows, one after the other: those named, or so many that follow one another.
[[nodiscard]] HostMatrix chosen_rows(const HostMatrix& matrix, std::span<const std::int64_t> rows);
[[nodiscard]] HostMatrix rows_of_matrix(const HostMatrix& matrix, std::int64_t first,
                                        std::int64_t count);

/// The scaled values of one row; `values` has `columns` elements.
void decode_row(const HostMatrix& matrix, std::int64_t row, std::span<double> values);

}  // namespace moecal
