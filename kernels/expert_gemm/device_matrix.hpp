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

}  // namespace moecal::kernels
