// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

/// What the tests of the cuBLASLt backend ask for.
namespace moecal::kernels {

struct Types {
  Dtype tokens, weights, result;
  cudaDataType_t tokens_type, weights_type, result_type;
  cublasComputeType_t compute;
  cudaDataType_t scale;
  bool scaled;
};
inline constexpr auto kCompute = CUBLAS_COMPUTE_32F;
inline constexpr auto kE4m3 = Dtype::fp8_e4m3, kE5m2 = Dtype::fp8_e5m2;
inline constexpr auto kE4m3Type = CUDA_R_8F_E4M3, kE5m2Type = CUDA_R_8F_E5M2;
constexpr Types same(Dtype dtype, cudaDataType_t type) {
  return {dtype, dtype, dtype, type, type, type, kCompute, CUDA_R_32F, false};
}
inline constexpr Types kFp8Bf16{kE4m3,       kE4m3,    Dtype::bf16, kE4m3Type, kE4m3Type,
                                CUDA_R_16BF, kCompute, CUDA_R_32F,  true};
inline constexpr Types kFp8F16{kE4m3,      kE4m3,    Dtype::f16, kE4m3Type, kE4m3Type,
                               CUDA_R_16F, kCompute, CUDA_R_32F, true};
inline constexpr Types kGradient{kE5m2,       kE4m3,    Dtype::bf16, kE5m2Type, kE4m3Type,
                                 CUDA_R_16BF, kCompute, CUDA_R_32F,  true};
inline constexpr Types kWeightGradient{kE4m3,      kE5m2,    Dtype::f16, kE4m3Type, kE5m2Type,
                                       CUDA_R_16F, kCompute, CUDA_R_32F, true};
inline constexpr Types kF16 = same(Dtype::f16, CUDA_R_16F);
inline constexpr Types kBf16 = same(Dtype::bf16, CUDA_R_16BF);
inline constexpr Types kF32 = same(Dtype::f32, CUDA_R_32F);
inline constexpr Types kInt8{Dtype::int8, Dtype::int8,        Dtype::int32, CUDA_R_8I, CUDA_R_8I,
                             CUDA_R_32I,  CUBLAS_COMPUTE_32I, CUDA_R_32I,   false};

inline constexpr Types kInt8Scaled{Dtype::int8,        Dtype::int8, Dtype::int8,
                                   CUDA_R_8I,          CUDA_R_8I,   CUDA_R_8I,
                                   CUBLAS_COMPUTE_32I, CUDA_R_32F,  false};

struct Request {
  Types types;
  ExpertGemmShape shape;
  std::string layout = "TN";
  std::string scale_mode{};  // empty: tensor where the types are scaled
  [[nodiscard]] std::string mode() const {
    if (!scale_mode.empty()) return scale_mode;
    return types.scaled ? "tensor" : "none";
  }
  [[nodiscard]] ExpertGemmProblem problem() const {
    return {shape, types.tokens, types.weights, types.result, mode(), layout};
  }
  /// Of a device that can do it.
  [[nodiscard]] int compute_major() const {
    return types.scaled && (layout != "TN" || mode() == "mx") ? 10 : 9;
  }
};

inline std::string request_name(const testing::TestParamInfo<Request>& info) {
  const auto& [types, shape, layout, mode] = info.param;
  return std::string{to_string(types.tokens)} + "_" + std::string{to_string(types.weights)} + "_" +
         std::string{to_string(types.result)} + "_" + layout + (mode.empty() ? "" : "_" + mode) +
         "_m" + std::to_string(shape.m) + "_n" + std::to_string(shape.n) + "_k" +
         std::to_string(shape.k);
}

// Each test starts with a device and eight candidates that take 2 ms.
inline void reset_fakes() {
  tests::fake_cuda().devices = 1;
  tests::fake_cuda().compute_major = 9;
  tests::fake_cublaslt() = {};
  tests::fake_cublaslt().candidates.assign(8, {2.0, true});
}

// Uniform operands whose scales differ, so that a swap would show.
inline ExpertGemmOperands operands_of(const ExpertGemmProblem& problem) {
  auto operands = make_expert_gemm_operands(problem, 9);
  if (problem.scale_mode != "tensor") return operands;
  operands.a.scale *= 0.5F;
  operands.b.scale *= 2.0F;
  return operands;
}

/// Why the problem is skipped on the fake device; empty if it is not.
inline std::string unsupported(const ExpertGemmProblem& problem) {
  try {
    check_expert_gemm_cublaslt(problem, 0);
  } catch (const Unsupported& reason) {
    return reason.what();
  }
  return "";
}

}  // namespace moecal::kernels
