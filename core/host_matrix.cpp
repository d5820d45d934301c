// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/host_matrix.hpp"

#include <algorithm>
#include <cstring>
#include <random>

#include "core/element.hpp"

namespace moecal {
namespace {

constexpr std::int64_t kPeriod = 1'048'573;  // the largest prime below 2^20

bool is_integer(Dtype dtype) {
  return dtype == Dtype::int8 || dtype == Dtype::uint8 || dtype == Dtype::int32;
}

// `step` elements from one value to the next.
void decode(const HostMatrix& matrix, const std::byte* bits, std::int64_t step,
            std::span<double> values) {
  const auto bytes = static_cast<std::size_t>(step * size_of(matrix.dtype));
  const auto scale = static_cast<double>(matrix.scale);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = scale * decode_element(matrix.dtype, bits + i * bytes);
}

bool is_fp8(Dtype dtype) { return dtype == Dtype::fp8_e4m3 || dtype == Dtype::fp8_e5m2; }

// CPUs without VNNI add two int8 products in 16 bits, which saturate beyond 7-bit weights
// (255 * 63 * 2 < 2^15): oneDNN's documented limit, and what quantised models respect.
constexpr double kLargestInteger = 63.0;

// What a uniform number of [-1, 1] is multiplied by before it is rounded to the dtype.
double stretch(Dtype dtype) {
  if (is_fp8(dtype)) return largest_value(dtype);
  return is_integer(dtype) ? kLargestInteger : 1.0;
}

}  // namespace

HostMatrix zero_matrix(Dtype dtype, const MatrixShape& shape) {
  HostMatrix matrix{dtype, shape.rows, shape.columns, 1.0F, {}};
  matrix.data.resize(static_cast<std::size_t>(shape.rows * shape.columns * size_of(dtype)));
  return matrix;
}

HostMatrix uniform_matrix(Dtype dtype, const MatrixShape& shape, std::uint64_t seed) {
  HostMatrix matrix = zero_matrix(dtype, shape);
  if (is_fp8(dtype)) matrix.scale = static_cast<float>(1.0 / largest_value(dtype));
  const auto element = static_cast<std::size_t>(size_of(dtype));
  const auto distinct =
      static_cast<std::size_t>(std::min(kPeriod, shape.rows * shape.columns)) * element;
  std::mt19937_64 engine{seed};
  for (std::size_t at = 0; at < distinct; at += element) {
    const double unit = static_cast<double>(engine() >> 11) * 0x1p-52 - 1.0;
    encode_element(dtype, stretch(dtype) * unit, matrix.data.data() + at);
  }
  for (std::size_t at = distinct; at < matrix.data.size(); at += distinct)
    std::memcpy(matrix.data.data() + at, matrix.data.data(),
                std::min(distinct, matrix.data.size() - at));
  return matrix;
}

void decode_row(const HostMatrix& matrix, std::int64_t row, std::span<double> values) {
  decode(matrix, matrix.row(row), 1, values);
}

void decode_column(const HostMatrix& matrix, std::int64_t column, std::span<double> values) {
  decode(matrix, matrix.data.data() + column * size_of(matrix.dtype), matrix.columns, values);
}

}  // namespace moecal
