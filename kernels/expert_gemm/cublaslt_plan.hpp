// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cublasLt.h>

#include "kernels/expert_gemm/expert_gemm.hpp"

/// What cuBLASLt is asked for, decided without a device. For .cpp files of the cuBLASLt backend.
///
/// cuBLASLt's matrices are column-major. C = A B^T with row-major C [m, n] is, column-major,
/// C^T [n, m] = (B^T)^T A^T: its first operand is our weights, stored [n, k] row-major, which is
/// [k, n] column-major and transposed; its second our tokens, stored [m, k], which is [k, m]
/// column-major and not transposed. That is TN, the one form that has FP8 and int8 kernels on every
/// card. An operand stored the other way round has the other letter.
namespace moecal::kernels {

struct CublasLtMatrix {
  cudaDataType_t type{};
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::int64_t leading_dimension = 0;  // elements from one column to the next
  cublasOperation_t operation = CUBLAS_OP_N;
  std::int32_t batches = 1;       // matrices of equal products, one after the other
  std::int64_t batch_stride = 0;  // elements from one to the next
  bool operator==(const CublasLtMatrix&) const = default;
};

struct CublasLtPlan {
  CublasLtMatrix weights;  // cuBLASLt's A
  CublasLtMatrix tokens;   // cuBLASLt's B
  CublasLtMatrix result;   // cuBLASLt's C and D
  cublasComputeType_t compute{};
  cudaDataType_t scale{};   // of alpha and beta
  bool has_scales = false;  // of A and B, in device memory
  struct ScaleModes {
    cublasLtMatmulMatrixScale_t weights = CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
    cublasLtMatmulMatrixScale_t tokens = CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
  };
  ScaleModes scale_modes{};
};

/// @throws Unsupported with the reason: types, scales or layouts that cuBLASLt does not combine, or
/// sizes that its FP8 and int8 kernels do not take.
[[nodiscard]] CublasLtPlan plan_cublaslt(const ExpertGemmProblem& problem);

/// `batches` such products as one, each operand's matrices following one another without a gap.
[[nodiscard]] CublasLtPlan batched(CublasLtPlan plan, std::int64_t batches);

/// Compute capabilities, as major * 10 + minor.
struct CapabilityRange {
  int least = 0;
  int most = 0;
};
/// Those that can do the problem.
[[nodiscard]] CapabilityRange capabilities_for(const ExpertGemmProblem& problem);
/// "8.9 or newer", "10.0 to 11.9", "9.0": for messages.
[[nodiscard]] std::string to_string(const CapabilityRange& range);

}  // namespace moecal::kernels
