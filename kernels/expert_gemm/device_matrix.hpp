// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/host_matrix.hpp"
#include "runtime/buffer.hpp"

/// Host matrices to device memory and back, without their scale. For .cpp files of CUDA backends.
namespace moecal::kernels {

[[nodiscard]] inline DeviceBuffer on_device(const HostMatrix& matrix) {
  return to_device(std::span<const std::byte>{matrix.data});
}

/// After the device's work is done. Synchronous.
[[nodiscard]] inline HostMatrix from_device(Dtype dtype, const MatrixShape& shape,
                                            const DeviceBuffer& buffer) {
  check(cudaDeviceSynchronize(), "waiting for the products");
  auto matrix = zero_matrix(dtype, shape);
  copy_bytes(matrix.data.data(), buffer.data(), matrix.data.size());
  return matrix;
}

/// Some rows, ascending, of a matrix of so many columns: neighbours are copied together.
[[nodiscard]] inline HostMatrix rows_from_device(Dtype dtype, std::int64_t columns,
                                                 std::span<const std::int64_t> rows,
                                                 const DeviceBuffer& buffer) {
  check(cudaDeviceSynchronize(), "waiting for the products");
  const auto row_bytes = static_cast<std::size_t>(columns * size_of(dtype));
  auto matrix = zero_matrix(dtype, {static_cast<std::int64_t>(rows.size()), columns});
  for (std::size_t first = 0, end = 0; first < rows.size(); first = end) {
    for (end = first + 1; end < rows.size() && rows[end] == rows[end - 1] + 1;) ++end;
    copy_bytes(matrix.data.data() + first * row_bytes,
               buffer.data() + static_cast<std::size_t>(rows[first]) * row_bytes,
               (end - first) * row_bytes);
  }
  return matrix;
}

}  // namespace moecal::kernels
