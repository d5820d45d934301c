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

/// A matrix of any dtype in host memory, [rows, columns] row-major without padding. What an element
/// stands for is its decoded value times `scale` (per-tensor scaling; 1 where there is none).
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

/// Uniform over [-1, 1], as rounded to the dtype; the same on every machine for the same seed. FP8
/// uses its whole range, with the scale that brings 448 (or 57344) back to 1; integers are uniform
/// over [-63, 63], unscaled. Elements repeat after a prime number of about a million, so that
/// filling gigabytes takes no longer than copying them and no two rows of a usual length are alike.
[[nodiscard]] HostMatrix uniform_matrix(Dtype dtype, const MatrixShape& shape, std::uint64_t seed);

/// The scaled values of one row; `values` has `columns` elements.
void decode_row(const HostMatrix& matrix, std::int64_t row, std::span<double> values);

/// The scaled values of one column; `values` has `rows` elements.
void decode_column(const HostMatrix& matrix, std::int64_t column, std::span<double> values);

}  // namespace moecal
