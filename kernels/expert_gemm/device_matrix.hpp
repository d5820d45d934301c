// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "core/periodic_matrix.hpp"
#include "runtime/buffer.hpp"

/// Matrices to device memory and back, without their scale. For .cpp files of CUDA backends.
namespace moecal::kernels {

[[nodiscard]] inline DeviceBuffer on_device(const PeriodicMatrix& matrix) {
  return to_device(matrix.data);
}
[[nodiscard]] inline DeviceBuffer on_device(const std::vector<std::byte>& bytes) {
  return to_device(std::span<const std::byte>{bytes});
}

/// After the device's work is done. Synchronous.
[[nodiscard]] inline HostMatrix from_device(Dtype dtype, const MatrixShape& shape,
                                            const DeviceBuffer& buffer) {
  check(cudaDeviceSynchronize(), "waiting for the products");
  auto matrix = zero_matrix(dtype, shape);
  copy_bytes(matrix.data.data(), buffer.data(), matrix.data.size());
  return matrix;
}

/// Some rows of a matrix of so many columns, after the device's work is done. Synchronous.
[[nodiscard]] inline HostMatrix rows_from_device(Dtype dtype, std::int64_t columns,
                                                 std::span<const std::int64_t> rows,
                                                 const DeviceBuffer& buffer) {
  auto matrix = zero_matrix(dtype, {static_cast<std::int64_t>(rows.size()), columns});
  device_memory::read_rows(
      matrix.data.data(),
      {buffer.data(), buffer.size(), static_cast<std::size_t>(columns * size_of(dtype)), rows});
  return matrix;
}

}  // namespace moecal::kernels
