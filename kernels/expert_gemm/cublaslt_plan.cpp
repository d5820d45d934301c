// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/cublaslt_plan.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"

namespace moecal::kernels {
namespace {

constexpr int kNewest = 9999;
constexpr int kOfScaleMode = 0;

// One row for each combination of types that is measured; cuBLASLt has no product of two E5M2.
struct Combination {
  Dtype a, b, c;
  cublasComputeType_t compute;
  cudaDataType_t scale;
  std::int64_t multiple;   // contiguous extents must be multiples of it
  int compute_capability;  // the least
};

constexpr auto kFp32 = CUBLAS_COMPUTE_32F;
constexpr auto kE4m3 = Dtype::fp8_e4m3, kE5m2 = Dtype::fp8_e5m2;
constexpr std::array<Combination, 11> kCombinations{{
    {kE4m3, kE4m3, Dtype::bf16, kFp32, CUDA_R_32F, 16, kOfScaleMode},
    {kE4m3, kE4m3, Dtype::f16, kFp32, CUDA_R_32F, 16, kOfScaleMode},
    {kE5m2, kE4m3, Dtype::bf16, kFp32, CUDA_R_32F, 16, kOfScaleMode},
    {kE5m2, kE4m3, Dtype::f16, kFp32, CUDA_R_32F, 16, kOfScaleMode},
    {kE4m3, kE5m2, Dtype::bf16, kFp32, CUDA_R_32F, 16, kOfScaleMode},
    {kE4m3, kE5m2, Dtype::f16, kFp32, CUDA_R_32F, 16, kOfScaleMode},
    {Dtype::f16, Dtype::f16, Dtype::f16, kFp32, CUDA_R_32F, 1, 70},
    {Dtype::bf16, Dtype::bf16, Dtype::bf16, kFp32, CUDA_R_32F, 1, 80},
    {Dtype::f32, Dtype::f32, Dtype::f32, kFp32, CUDA_R_32F, 1, 70},
    {Dtype::int8, Dtype::int8, Dtype::int32, CUBLAS_COMPUTE_32I, CUDA_R_32I, 4, 75},
    {Dtype::int8, Dtype::int8, Dtype::int8, CUBLAS_COMPUTE_32I, CUDA_R_32F, 4, 75},
}};

// One row for each scale mode of FP8: NVIDIA's table of who supports what. Hopper's FP32 modes went
// with it: Blackwell has MX instead.
struct ScaleMode {
  const char* name;
  cublasLtMatmulMatrixScale_t weights, tokens;
  CapabilityRange capabilities;
  bool only_tn;
};

constexpr std::array<ScaleMode, 5> kScaleModes{{
    {"tensor",
     CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F,
     CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F,
     {89, kNewest},
     false},
    {"outer_vector",
     CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F,
     CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F,
     {90, 90},
     true},
    {"block_1x128",
     CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F,
     CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F,
     {90, 90},
     true},
    {"block_128x128",
     CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F,
     CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F,
     {90, 90},
     true},
    {"mx",
     CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0,
     CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0,
     {100, kNewest},
     false},
}};

cudaDataType_t cuda_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::fp8_e4m3:
      return CUDA_R_8F_E4M3;
    case Dtype::fp8_e5m2:
      return CUDA_R_8F_E5M2;
    case Dtype::f16:
      return CUDA_R_16F;
    case Dtype::bf16:
      return CUDA_R_16BF;
    case Dtype::f32:
      return CUDA_R_32F;
    case Dtype::int8:
      return CUDA_R_8I;
    case Dtype::uint8:
      return CUDA_R_8U;
    case Dtype::int32:
      return CUDA_R_32I;
  }
  throw Error{"no such dtype"};
}

const Combination& combination_of(const ExpertGemmProblem& problem) {
  for (const auto& combination : kCombinations)
    if (combination.a == problem.a && combination.b == problem.b && combination.c == problem.c)
      return combination;
  throw Unsupported{"cuBLASLt is not measured for " + type_names(problem)};
}

bool is_fp8(const ExpertGemmProblem& problem) {
  return problem.a == Dtype::fp8_e4m3 || problem.a == Dtype::fp8_e5m2;
}

const ScaleMode& scale_mode_of(const ExpertGemmProblem& problem) {
  for (const auto& mode : kScaleModes)
    if (problem.scale_mode == mode.name) return mode;
  throw Unsupported{
      "cuBLASLt is measured for " + type_names(problem) +
      " with scale mode tensor, outer_vector, block_1x128, block_128x128 or mx, not " +
      problem.scale_mode};
}

// int8 results are scaled by the product of two scales of the whole operands, by way of alpha.
void check_unscaled(const ExpertGemmProblem& problem) {
  const std::string expected = problem.c == Dtype::int8 ? "tensor" : "none";
  if (problem.scale_mode != expected)
    throw Unsupported{"cuBLASLt is measured for " + type_names(problem) + " with scale mode " +
                      expected + ", not " + problem.scale_mode};
}

void check_layout(const ExpertGemmProblem& problem) {
  if (problem.layout == "TN") return;
  if (problem.a == Dtype::int8)
    throw Unsupported{"cuBLASLt's int8 kernels take the layout TN only, not " + problem.layout};
  if (is_fp8(problem) && scale_mode_of(problem).only_tn)
    throw Unsupported{"cuBLASLt's FP8 kernels with scale mode " + problem.scale_mode +
                      " take the layout TN only, not " + problem.layout};
}

// n is contiguous in the result and k in both operands, unless they are stored the other way round.
void check_sizes(const ExpertGemmProblem& problem, std::int64_t multiple) {
  const auto& [m, n, k] = problem.shape;
  const bool m_counts = problem.a_is_k_by_m();
  if (n % multiple == 0 && k % multiple == 0 && (!m_counts || m % multiple == 0)) return;
  throw Unsupported{"cuBLASLt's " + std::string{to_string(problem.a)} + " kernels need " +
                    (m_counts ? "m, " : "") + "n and k to be multiples of " +
                    std::to_string(multiple) + ", not " +
                    (m_counts ? "m " + std::to_string(m) + ", " : "") + "n " + std::to_string(n) +
                    " and k " + std::to_string(k)};
}

// Row-major [outer, inner], which is column-major [inner, outer].
CublasLtMatrix matrix_of(Dtype dtype, std::int64_t outer, std::int64_t inner) {
  return {cuda_type(dtype), static_cast<std::uint64_t>(inner), static_cast<std::uint64_t>(outer),
          inner, CUBLAS_OP_N};
}

CublasLtMatrix transposed(CublasLtMatrix matrix) {
  matrix.operation = CUBLAS_OP_T;
  return matrix;
}

void check_scaled_tokens(const ExpertGemmProblem& problem) {
  const auto multiple = token_multiple(scale_mode_of(problem).name);
  if (problem.shape.m % multiple != 0)
    throw Unsupported{"cuBLASLt's scale mode " + problem.scale_mode +
                      " needs m to be a multiple of " + std::to_string(multiple) + ", not " +
                      std::to_string(problem.shape.m)};
}

std::string version_name(int capability) {
  return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

}  // namespace

CublasLtPlan plan_cublaslt(const ExpertGemmProblem& problem) {
  const auto& combination = combination_of(problem);
  if (is_fp8(problem))
    check_scaled_tokens(problem);
  else
    check_unscaled(problem);
  check_layout(problem);
  check_sizes(problem, combination.multiple);
  const auto& [m, n, k] = problem.shape;
  CublasLtPlan::ScaleModes modes;
  if (is_fp8(problem)) modes = {scale_mode_of(problem).weights, scale_mode_of(problem).tokens};
  return {.weights = problem.b_is_k_by_n() ? matrix_of(problem.b, k, n)
                                           : transposed(matrix_of(problem.b, n, k)),
          .tokens = problem.a_is_k_by_m() ? transposed(matrix_of(problem.a, k, m))
                                          : matrix_of(problem.a, m, k),
          .result = matrix_of(problem.c, m, n),
          .compute = combination.compute,
          .scale = combination.scale,
          .has_scales = is_fp8(problem),
          .scale_modes = modes};
}

CublasLtPlan batched(CublasLtPlan plan, std::int64_t batches) {
  for (auto* matrix : {&plan.weights, &plan.tokens, &plan.result}) {
    matrix->batches = static_cast<std::int32_t>(batches);
    matrix->batch_stride = static_cast<std::int64_t>(matrix->rows * matrix->columns);
  }
  return plan;
}

CapabilityRange capabilities_for(const ExpertGemmProblem& problem) {
  if (!is_fp8(problem)) return {combination_of(problem).compute_capability, kNewest};
  // Tensor cores of Ada, Hopper and the small Blackwells (12.x) read FP8 along k only.
  if (problem.layout != "TN") return {100, 119};
  return scale_mode_of(problem).capabilities;
}

std::string to_string(const CapabilityRange& range) {
  if (range.most == kNewest) return version_name(range.least) + " or newer";
  if (range.most == range.least) return version_name(range.least);
  return version_name(range.least) + " to " + version_name(range.most);
}

}  // namespace moecal::kernels
