// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/host_matrix.hpp"

#include "core/element.hpp"

namespace moecal {

HostMatrix zero_matrix(Dtype dtype, const MatrixShape& shape) {
  HostMatrix matrix{dtype, shape.rows, shape.columns, 1.0F, {}};
  matrix.data.resize(static_cast<std::size_t>(shape.rows * shape.columns * size_of(dtype)));
  return matrix;
}

HostMatrix chosen_rows(const HostMatrix& matrix, std::span<const std::int64_t> rows) {
  HostMatrix chosen{
      matrix.dtype, static_cast<std::int64_t>(rows.size()), matrix.columns, matrix.scale, {}};
  for (const auto row : rows)
    chosen.data.insert(chosen.data.end(), matrix.row(row), matrix.row(row + 1));
  return chosen;
}

HostMatrix rows_of_matrix(const HostMatrix& matrix, std::int64_t first, std::int64_t count) {
  HostMatrix part{matrix.dtype, count, matrix.columns, matrix.scale, {}};
  part.data.assign(matrix.row(first), matrix.row(first + count));
  return part;
}

void decode_row(const HostMatrix& matrix, std::int64_t row, std::span<double> values) {
  decode_elements({matrix.dtype, matrix.row(row), static_cast<std::size_t>(size_of(matrix.dtype)),
                   matrix.scale},
                  values);
}

}  // namespace moecal
