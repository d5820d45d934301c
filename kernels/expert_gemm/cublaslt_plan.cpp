// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/cublaslt_plan.hpp"

#include <array>

#include "core/error.hpp"

namespace moecal::kernels {
namespace {

// One row for each combination of types that is measured.
struct Combination {
  Dtype operands;
  Dtype result;
  cudaDataType_t operands_type;
  cudaDataType_t result_type;
  cublasComputeType_t compute;
  cudaDataType_t scale;
  std::int64_t multiple;  // n and k must be multiples of it
  int compute_capability;
};

constexpr std::array<Combination, 6> kCombinations{{
    {Dtype::fp8_e4m3, Dtype::bf16, CUDA_R_8F_E4M3, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F, 16,
     89},
    {Dtype::fp8_e4m3, Dtype::f16, CUDA_R_8F_E4M3, CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F, 16,
     89},
    {Dtype::f16, Dtype::f16, CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F, 1, 70},
    {Dtype::bf16, Dtype::bf16, CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F, 1, 80},
    {Dtype::f32, Dtype::f32, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F, 1, 70},
    {Dtype::int8, Dtype::int32, CUDA_R_8I, CUDA_R_32I, CUBLAS_COMPUTE_32I, CUDA_R_32I, 4, 75},
}};

const Combination& combination_of(const ExpertGemmProblem& problem) {
  for (const auto& combination : kCombinations)
    if (combination.operands == problem.a && combination.operands == problem.b &&
        combination.result == problem.c)
      return combination;
  throw Unsupported{"cuBLASLt is not measured for " + type_names(problem)};
}

bool is_fp8(const Combination& combination) { return combination.operands == Dtype::fp8_e4m3; }

void check_scale_mode(const ExpertGemmProblem& problem, const Combination& combination) {
  const std::string expected = is_fp8(combination) ? "tensor" : "none";
  if (problem.scale_mode != expected)
    throw Unsupported{"cuBLASLt is measured for " + type_names(problem) + " with scale mode " +
                      expected + ", not " + problem.scale_mode};
}

// k is the contiguous extent of both operands, n that of the result.
void check_sizes(const ExpertGemmProblem& problem, const Combination& combination) {
  const auto& [m, n, k] = problem.shape;
  if (n % combination.multiple == 0 && k % combination.multiple == 0) return;
  throw Unsupported{"cuBLASLt's " + std::string{to_string(problem.a)} +
                    " kernels need n and k to be multiples of " +
                    std::to_string(combination.multiple) + ", not n " + std::to_string(n) +
                    " and k " + std::to_string(k)};
}

}  // namespace

CublasLtPlan plan_cublaslt(const ExpertGemmProblem& problem) {
  const auto& combination = combination_of(problem);
  check_scale_mode(problem, combination);
  check_sizes(problem, combination);
  const auto& [m, n, k] = problem.shape;
  const auto tokens = static_cast<std::uint64_t>(m);
  const auto outputs = static_cast<std::uint64_t>(n);
  const auto inputs = static_cast<std::uint64_t>(k);
  return {.weights = {combination.operands_type, inputs, outputs, k},
          .tokens = {combination.operands_type, inputs, tokens, k},
          .result = {combination.result_type, outputs, tokens, n},
          .compute = combination.compute,
          .scale = combination.scale,
          .tensor_scales = is_fp8(combination)};
}

int needed_compute_capability(const ExpertGemmProblem& problem) {
  return combination_of(problem).compute_capability;
}

}  // namespace moecal::kernels
