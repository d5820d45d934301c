// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "kernels/expert_gemm/device_matrix.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"

/// What every CUDA backend of the grouped product keeps of a buffer set.
namespace moecal::kernels {

/// Device memory of all groups, one after the other, and the rows of the draw it has.
struct DeviceGroupBuffers {
  DeviceBuffer weights, tokens, result;
  std::vector<std::int64_t> rows{};
};

/// Operands on the device and room for the result of any draw; no draw yet.
[[nodiscard]] inline DeviceGroupBuffers make_device_group_buffers(
    const GroupedGemmProblem& problem, const ExpertGemmOperands& operands) {
  const auto& product = problem.product;
  const auto bytes = operands.a.rows * product.shape.n * size_of(product.c);
  return {on_device(operands.b), on_device(operands.a),
          DeviceBuffer{static_cast<std::size_t>(bytes)}};
}

/// GroupedGemm::result of that set. Synchronous.
[[nodiscard]] inline HostMatrix result_of(const GroupedGemmProblem& problem,
                                          const DeviceGroupBuffers& buffers) {
  return from_device(problem.product.c, result_shape(problem, buffers.rows), buffers.result);
}

/// GroupedGemm::result_rows of that set. Synchronous.
[[nodiscard]] inline HostMatrix result_rows_of(const GroupedGemmProblem& problem,
                                               const DeviceGroupBuffers& buffers,
                                               std::span<const std::int64_t> rows) {
  return rows_from_device(problem.product.c, problem.product.shape.n, rows, buffers.result);
}

}  // namespace moecal::kernels
