// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/cublaslt_matmul.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"

namespace moecal::kernels {
namespace {

template <class T>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  check(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value),
        "setting attribute " + std::to_string(attribute) + " of a cuBLASLt product");
}

template <class T>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value),
        "setting attribute " + std::to_string(attribute) + " of a cuBLASLt preference");
}

template <class T>
void set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute, const T& value) {
  check(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof value),
        "setting attribute " + std::to_string(attribute) + " of a cuBLASLt matrix layout");
}

using Preference =
    CublasLtObject<cublasLtMatmulPreferenceOpaque_t, cublasLtMatmulPreferenceDestroy>;

Preference make_preference(const CublasLtAddresses& addresses, std::size_t workspace_bytes) {
  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw), "creating a cuBLASLt preference");
  Preference preference{raw};
  // Split-K sums in the result's own 16 bits would not be FP32 accumulation, and verify() would
  // rightly refuse them.
  set(raw, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(raw, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_bytes});
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(addresses.weights));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(addresses.tokens));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(addresses.result));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(addresses.result));
  return preference;
}

// alpha or beta, in the type that the plan's arithmetic wants them in.
union Factor {
  float f32;
  std::int32_t i32;
};

Factor factor(cudaDataType_t type, float value) {
  Factor result{};
  if (type == CUDA_R_32I)
    result.i32 = static_cast<std::int32_t>(value);
  else
    result.f32 = value;
  return result;
}

std::string shape_name(const CublasLtPlan& plan) {
  const auto& weights = plan.weights;
  const auto inner = weights.operation == CUBLAS_OP_T ? weights.rows : weights.columns;
  return "m " + std::to_string(plan.result.columns) + ", n " + std::to_string(plan.result.rows) +
         ", k " + std::to_string(inner);
}

}  // namespace

std::uint32_t alignment_of(const void* address) {
  const auto number = reinterpret_cast<std::uintptr_t>(address);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(number & (~number + 1), 256));
}

CublasLtHandle make_cublaslt_handle() {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "starting cuBLASLt");
  return {handle, CublasLtDestroyer<cublasLtDestroy>{}};
}

CublasLtMatmul::CublasLtMatmul(const CublasLtPlan& plan, const CublasLtScales& scales,
                               CublasLtHandle handle)
    : plan_{plan},
      factor_{scales.factor},
      handle_{std::move(handle)},
      weights_{make_layout(plan.weights)},
      tokens_{make_layout(plan.tokens)},
      result_{make_layout(plan.result)} {
  cublasLtMatmulDesc_t operation = nullptr;
  check(cublasLtMatmulDescCreate(&operation, plan.compute, plan.scale),
        "creating a cuBLASLt product");
  operation_.reset(operation);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, plan.weights.operation);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, plan.tokens.operation);
  if (plan.has_scales) set_scales(scales);
}

CublasLtMatmul::Layout CublasLtMatmul::make_layout(const CublasLtMatrix& matrix) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(cublasLtMatrixLayoutCreate(&layout, matrix.type, matrix.rows, matrix.columns,
                                   matrix.leading_dimension),
        "creating a cuBLASLt matrix layout");
  Layout owned{layout};
  if (matrix.batches > 1) {
    set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, matrix.batches);
    set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, matrix.batch_stride);
  }
  return owned;
}

void CublasLtMatmul::set_scales(const CublasLtScales& scales) {
  const auto mode = [](cublasLtMatmulMatrixScale_t value) {
    return static_cast<std::int32_t>(value);
  };
  constexpr std::int8_t kPromoteToFp32 = 0;  // fast accumulation would stay in 14 bits
  set(operation_.get(), CUBLASLT_MATMUL_DESC_A_SCALE_MODE, mode(plan_.scale_modes.weights));
  set(operation_.get(), CUBLASLT_MATMUL_DESC_B_SCALE_MODE, mode(plan_.scale_modes.tokens));
  set(operation_.get(), CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scales.weights);
  set(operation_.get(), CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scales.tokens);
  set(operation_.get(), CUBLASLT_MATMUL_DESC_FAST_ACCUM, kPromoteToFp32);
}

bool CublasLtMatmul::works(const Candidate& candidate) {
  return candidate.state == CUBLAS_STATUS_SUCCESS;
}

std::vector<CublasLtMatmul::Candidate> CublasLtMatmul::candidates(
    const CublasLtAddresses& addresses, std::size_t workspace_bytes, int count) const {
  const auto preference = make_preference(addresses, workspace_bytes);
  std::vector<Candidate> found(static_cast<std::size_t>(count));
  int returned = 0;
  const auto status = cublasLtMatmulAlgoGetHeuristic(
      handle_.get(), operation_.get(), weights_.get(), tokens_.get(), result_.get(), result_.get(),
      preference.get(), count, found.data(), &returned);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && returned == 0))
    throw Unsupported{"cuBLASLt " + cublaslt_version() + " has no algorithm for " +
                      shape_name(plan_) + " of these types on this device"};
  check(status, "asking cuBLASLt for algorithms");
  found.resize(static_cast<std::size_t>(returned));
  if (std::ranges::none_of(found, works))
    throw Unsupported{"cuBLASLt " + cublaslt_version() + " could name no algorithm for " +
                      shape_name(plan_) + " that works"};
  return found;
}

bool CublasLtMatmul::takes(const Candidate& candidate, std::size_t workspace_bytes) const {
  Candidate checked{};
  const auto status =
      cublasLtMatmulAlgoCheck(handle_.get(), operation_.get(), weights_.get(), tokens_.get(),
                              result_.get(), result_.get(), &candidate.algo, &checked);
  return status == CUBLAS_STATUS_SUCCESS && checked.workspaceSize <= workspace_bytes;
}

void CublasLtMatmul::launch(const CublasLtAddresses& addresses, const Candidate& candidate,
                            const CublasLtWorkspace& workspace, Stream stream) const {
  const Factor alpha = factor(plan_.scale, factor_);
  const Factor beta = factor(plan_.scale, 0);
  check(cublasLtMatmul(handle_.get(), operation_.get(), &alpha, addresses.weights, weights_.get(),
                       addresses.tokens, tokens_.get(), &beta, addresses.result, result_.get(),
                       addresses.result, result_.get(), &candidate.algo, workspace.address,
                       workspace.bytes, stream),
        "launching a cuBLASLt product");
}

std::string describe_algorithm(const cublasLtMatmulAlgo_t& algorithm) {
  struct Field {
    const char* name;
    cublasLtMatmulAlgoConfigAttributes_t attribute;
    std::size_t bytes;
  };
  static constexpr std::array<Field, 9> kFields{{
      {"id", CUBLASLT_ALGO_CONFIG_ID, 4},
      {"tile", CUBLASLT_ALGO_CONFIG_TILE_ID, 4},
      {"stages", CUBLASLT_ALGO_CONFIG_STAGES_ID, 4},
      {"split_k", CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 4},
      {"reduction", CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, 4},
      {"swizzle", CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, 4},
      {"custom", CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, 4},
      {"inner_shape", CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, 2},
      {"cluster_shape", CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, 2},
  }};
  std::string text;
  for (const auto& field : kFields) {
    std::uint32_t value = 0;  // little-endian: a 16-bit field fills its low half
    std::size_t written = 0;
    const auto status = cublasLtMatmulAlgoConfigGetAttribute(&algorithm, field.attribute, &value,
                                                             field.bytes, &written);
    text += (text.empty() ? "" : " ") + std::string{field.name} + "=" +
            (status == CUBLAS_STATUS_SUCCESS ? std::to_string(value) : "unknown");
  }
  return text;
}

std::string cublaslt_version() {
  const std::size_t packed = cublasLtGetVersion();  // 13.1.0 is 130100
  return std::to_string(packed / 10000) + "." + std::to_string(packed / 100 % 100) + "." +
         std::to_string(packed % 100);
}

}  // namespace moecal::kernels
