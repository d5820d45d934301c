// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/periodic_matrix.hpp"

#include <algorithm>

#include "core/element.hpp"
#include "core/fill.hpp"

namespace moecal {
namespace {

bool is_integer(Dtype dtype) {
  return dtype == Dtype::int8 || dtype == Dtype::uint8 || dtype == Dtype::int32;
}

bool is_fp8(Dtype dtype) { return dtype == Dtype::fp8_e4m3 || dtype == Dtype::fp8_e5m2; }

// CPUs without VNNI add two int8 products in 16 bits, which saturate beyond 7-bit weights
// (255 * 63 * 2 < 2^15): oneDNN's documented limit, and what quantised models respect.
constexpr double kLargestInteger = 63.0;

double largest_operand(Dtype dtype) {
  if (is_fp8(dtype)) return largest_value(dtype);
  return is_integer(dtype) ? kLargestInteger : 1.0;
}

std::size_t bytes_of(const PeriodicMatrix& matrix, std::int64_t elements) {
  return static_cast<std::size_t>(elements * size_of(matrix.dtype));
}

}  // namespace

PeriodicMatrix uniform_matrix(Dtype dtype, const MatrixShape& shape, std::uint64_t seed) {
  return {dtype, shape.rows, shape.columns,
          is_fp8(dtype) ? static_cast<float>(1.0 / largest_value(dtype)) : 1.0F,
          uniform_bytes({dtype, seed, largest_operand(dtype)}, shape.rows * shape.columns)};
}

PeriodicMatrix given_matrix(HostMatrix matrix) {
  return {matrix.dtype, matrix.rows, matrix.columns, matrix.scale,
          PeriodicBytes{std::move(matrix.data)}};
}

PeriodicMatrix rows_of_matrix(const PeriodicMatrix& matrix, std::int64_t first,
                              std::int64_t count) {
  return {matrix.dtype, count, matrix.columns, matrix.scale,
          matrix.data.part(bytes_of(matrix, first * matrix.columns),
                           bytes_of(matrix, count * matrix.columns))};
}

void decode_row(const PeriodicMatrix& matrix, std::int64_t row, std::span<double> values) {
  const std::size_t element = bytes_of(matrix, 1);
  std::size_t at = bytes_of(matrix, row * matrix.columns);
  for (std::size_t done = 0; done < values.size();) {
    const auto bits = matrix.data.stretch(at);
    const std::size_t count = std::min(bits.size() / element, values.size() - done);
    decode_elements({matrix.dtype, bits.data(), element, matrix.scale},
                    values.subspan(done, count));
    at += count * element;
    done += count;
  }
}

void decode_column(const PeriodicMatrix& matrix, std::int64_t column, std::span<double> values) {
  const std::size_t step = bytes_of(matrix, matrix.columns);
  std::size_t at = bytes_of(matrix, column);
  for (std::size_t done = 0; done < values.size();) {
    const auto bits = matrix.data.stretch(at);
    const std::size_t count = std::min((bits.size() + step - 1) / step, values.size() - done);
    decode_elements({matrix.dtype, bits.data(), step, matrix.scale}, values.subspan(done, count));
    at += count * step;
    done += count;
  }
}

}  // namespace moecal
