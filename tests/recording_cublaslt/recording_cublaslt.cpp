// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

#include <algorithm>
#include <utility>

#include "core/element.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recorded_product.hpp"

namespace moecal::tests {

FakeCublasLt& fake_cublaslt() {
  static FakeCublasLt library;
  return library;
}

namespace {

// The opaque types are cuBLASLt's; what they point to is ours.
template <class Recorded, class Opaque>
Recorded& recorded(Opaque* opaque) {
  return *reinterpret_cast<Recorded*>(opaque);
}

template <class Recorded, class Opaque>
cublasStatus_t create(Opaque** opaque, Recorded value) {
  *opaque = reinterpret_cast<Opaque*>(new Recorded{std::move(value)});
  ++fake_cublaslt().live_objects;
  return CUBLAS_STATUS_SUCCESS;
}

template <class Recorded, class Opaque>
cublasStatus_t destroy(Opaque* opaque) {
  delete reinterpret_cast<Recorded*>(opaque);
  --fake_cublaslt().live_objects;
  return CUBLAS_STATUS_SUCCESS;
}

double read_factor(const void* factor, cudaDataType_t type) {
  return decode_element(dtype_of(type), static_cast<const std::byte*>(factor));
}

bool holds_zeros(const RecordedLayout& layout, const void* address) {
  const auto elements = static_cast<std::size_t>(layout.rows * layout.columns);
  const auto bytes = elements * static_cast<std::size_t>(size_of(dtype_of(layout.type)));
  const auto* first = static_cast<const std::byte*>(address);
  return std::all_of(first, first + bytes, [](std::byte value) { return value == std::byte{0}; });
}

}  // namespace
}  // namespace moecal::tests

using namespace moecal::tests;

extern "C" {

size_t cublasLtGetVersion() { return 130100; }
const char* cublasLtGetStatusName(cublasStatus_t) { return "CUBLAS_STATUS_FAKE"; }
const char* cublasLtGetStatusString(cublasStatus_t) { return "the fake says so"; }

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) { return create(handle, char{}); }
cublasStatus_t cublasLtDestroy(const cublasLtHandle_t handle) { return destroy<char>(handle); }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t leading) {
  return create(layout, RecordedLayout{type, rows, columns, leading, {}});
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* bytes, size_t size) {
  recorded<RecordedLayout>(layout).attributes.set(attribute, bytes, size);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(const cublasLtMatrixLayout_t layout) {
  return destroy<RecordedLayout>(layout);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation,
                                        cublasComputeType_t compute, cudaDataType_t scale) {
  return create(operation, RecordedOperation{compute, scale, {}});
}
cublasStatus_t cublasLtMatmulDescDestroy(const cublasLtMatmulDesc_t operation) {
  return destroy<RecordedOperation>(operation);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* bytes, size_t size) {
  recorded<RecordedOperation>(operation).attributes.set(attribute, bytes, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return create(preference, Attributes{});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(const cublasLtMatmulPreference_t preference) {
  return destroy<Attributes>(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* bytes, size_t size) {
  recorded<Attributes>(preference).set(attribute, bytes, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* returned) {
  auto& library = fake_cublaslt();
  library.heuristics.push_back(
      {recorded<RecordedOperation>(operation), recorded<Attributes>(preference), requested});
  *returned = std::min(requested, static_cast<int>(library.candidates.size()));
  if (*returned == 0) return CUBLAS_STATUS_NOT_SUPPORTED;
  for (int index = 0; index < *returned; ++index) {
    results[index] = {};
    results[index].algo.data[0] = static_cast<uint64_t>(index);
    results[index].workspaceSize = 1000 + static_cast<size_t>(index);
    results[index].state = library.candidates[static_cast<std::size_t>(index)].state;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t* result) {
  ++fake_cublaslt().checks;
  const auto& candidate = fake_cublaslt().candidates.at(algorithm->data[0]);
  if (recorded<RecordedLayout>(b).columns > candidate.most_rows) return CUBLAS_STATUS_NOT_SUPPORTED;
  result->workspaceSize = 1000 + algorithm->data[0];
  return CUBLAS_STATUS_SUCCESS;
}

// A candidate's configuration: its id is 100 + its index, everything else 1.
cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    void* bytes, size_t size, size_t* written) {
  const auto value =
      static_cast<uint32_t>(attribute == CUBLASLT_ALGO_CONFIG_ID ? 100 + algorithm->data[0] : 1);
  std::memcpy(bytes, &value, size);
  *written = size;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  const auto& description = recorded<RecordedOperation>(operation);
  const auto candidate = static_cast<int>(algorithm->data[0]);
  RecordedMatmul call{.operation = description,
                      .a = recorded<RecordedLayout>(a_layout),
                      .b = recorded<RecordedLayout>(b_layout),
                      .c = recorded<RecordedLayout>(c_layout),
                      .d = recorded<RecordedLayout>(d_layout),
                      .a_address = a,
                      .b_address = b,
                      .c_address = c,
                      .d_address = d,
                      .alpha = read_factor(alpha, description.scale),
                      .beta = read_factor(beta, description.scale),
                      .candidate = candidate,
                      .workspace = workspace,
                      .workspace_bytes = workspace_bytes,
                      .stream = stream};
  fake_cublaslt().matmuls.push_back(call);
  if (!fake_cuda().capturing && holds_zeros(call.b, b)) ++fake_cublaslt().products_of_zeros;
  auto& behaviour = fake_cublaslt().candidates.at(static_cast<std::size_t>(candidate));
  if (!behaviour.launches) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (behaviour.first_milliseconds > 0 && fake_cuda().held()) ++fake_cublaslt().loads_held;
  fake_cuda().pass(behaviour.milliseconds + std::exchange(behaviour.first_milliseconds, 0));
  if (!fake_cuda().capturing) return compute_as_told(call);
  return fake_cuda().run(stream, [call] { (void)compute_as_told(call); })
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_INTERNAL_ERROR;
}

}  // extern "C"
