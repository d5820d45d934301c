// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cublasLt.h>

#include "kernels/expert_gemm/expert_gemm.hpp"

/// What cuBLASLt is asked for, decided without a device. For .cpp files of the cuBLASLt backend.
///
/// cuBLASLt's matrices are column-major. C = A B^T with row-major C [m, n] is, column-major,
/// C^T [n, m] = (B^T)^T A^T: its first operand is our weights, [k, n] column-major and transposed,
/// its second our tokens, [k, m] column-major and not transposed. That is TN, the one form that has
/// FP8 and int8 kernels on every card.
namespace moecal::kernels {

struct CublasLtMatrix {
  cudaDataType_t type{};
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::int64_t leading_dimension = 0;  // elements from one column to the next
  bool operator==(const CublasLtMatrix&) const = default;
};

struct CublasLtPlan {
  CublasLtMatrix weights;  // cuBLASLt's A, transposed
  CublasLtMatrix tokens;   // cuBLASLt's B
  CublasLtMatrix result;   // cuBLASLt's C and D
  cublasComputeType_t compute{};
  cudaDataType_t scale{};      // of alpha and beta
  bool tensor_scales = false;  // one FP32 scale in device memory for each of A and B
};

/// @throws Unsupported with the reason: types cuBLASLt does not combine, or sizes that its FP8 and
/// int8 kernels do not take.
[[nodiscard]] CublasLtPlan plan_cublaslt(const ExpertGemmProblem& problem);

/// The compute capability (major * 10 + minor) that the problem's types need.
[[nodiscard]] int needed_compute_capability(const ExpertGemmProblem& problem);

}  // namespace moecal::kernels
