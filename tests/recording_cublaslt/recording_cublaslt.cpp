// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

#include <utility>

#include "core/element.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

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

Dtype dtype_of(cudaDataType_t type) {
  switch (type) {
    case CUDA_R_8F_E4M3:
      return Dtype::fp8_e4m3;
    case CUDA_R_8F_E5M2:
      return Dtype::fp8_e5m2;
    case CUDA_R_16F:
      return Dtype::f16;
    case CUDA_R_16BF:
      return Dtype::bf16;
    case CUDA_R_32F:
      return Dtype::f32;
    case CUDA_R_8I:
      return Dtype::int8;
    case CUDA_R_32I:
      return Dtype::int32;
    default:
      throw std::runtime_error{"the fake cuBLASLt does not know type " + std::to_string(type)};
  }
}

double read_factor(const void* factor, cudaDataType_t type) {
  return decode_element(dtype_of(type), static_cast<const std::byte*>(factor));
}

// A matrix in device memory, read as its layout says.
struct View {
  RecordedLayout layout;
  std::byte* address = nullptr;
  bool transposed = false;

  [[nodiscard]] Dtype dtype() const { return dtype_of(layout.type); }
  [[nodiscard]] std::byte* element(std::uint64_t row, std::uint64_t column) const {
    if (transposed) std::swap(row, column);
    const auto index = row + column * static_cast<std::uint64_t>(layout.leading_dimension);
    return address + index * static_cast<std::uint64_t>(size_of(dtype()));
  }
  [[nodiscard]] double operator()(std::uint64_t row, std::uint64_t column) const {
    return decode_element(dtype(), element(row, column));
  }
  [[nodiscard]] std::uint64_t rows() const { return transposed ? layout.columns : layout.rows; }
  [[nodiscard]] std::uint64_t columns() const { return transposed ? layout.rows : layout.columns; }
  [[nodiscard]] bool lies_in_its_buffer() const {
    const auto last =
        layout.rows + (layout.columns - 1) * static_cast<std::uint64_t>(layout.leading_dimension);
    return static_cast<std::uint64_t>(layout.leading_dimension) >= layout.rows &&
           fake_cuda().owns(address, last * static_cast<std::uint64_t>(size_of(dtype())));
  }
};

bool is_transposed(const RecordedOperation& operation, cublasLtMatmulDescAttributes_t attribute) {
  return operation.attributes.has(attribute) &&
         operation.attributes.get<cublasOperation_t>(attribute) == CUBLAS_OP_T;
}

double scale_of(const RecordedOperation& operation, cublasLtMatmulDescAttributes_t attribute) {
  return operation.attributes.has(attribute) ? *operation.attributes.get<const float*>(attribute)
                                             : 1.0;
}

View view(const RecordedLayout& layout, const void* address, bool transposed) {
  return {layout, static_cast<std::byte*>(const_cast<void*>(address)), transposed};
}

cublasStatus_t compute(const RecordedMatmul& call) {
  const View a =
      view(call.a, call.a_address, is_transposed(call.operation, CUBLASLT_MATMUL_DESC_TRANSA));
  const View b =
      view(call.b, call.b_address, is_transposed(call.operation, CUBLASLT_MATMUL_DESC_TRANSB));
  const View d = view(call.d, call.d_address, false);
  for (const View& matrix : {a, b, d})
    if (!matrix.lies_in_its_buffer()) return CUBLAS_STATUS_INVALID_VALUE;
  if (a.columns() != b.rows() || a.rows() != d.rows() || b.columns() != d.columns())
    return CUBLAS_STATUS_INVALID_VALUE;
  const double scale = call.alpha * scale_of(call.operation, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER) *
                       scale_of(call.operation, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER);
  for (std::uint64_t column = 0; column < d.columns(); ++column)
    for (std::uint64_t row = 0; row < d.rows(); ++row) {
      double sum = 0;
      for (std::uint64_t l = 0; l < a.columns(); ++l) sum += a(row, l) * b(l, column);
      encode_element(d.dtype(), scale * sum, d.element(row, column));
    }
  return CUBLAS_STATUS_SUCCESS;
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
  return create(layout, RecordedLayout{type, rows, columns, leading});
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
  }
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
  auto& behaviour = fake_cublaslt().candidates.at(static_cast<std::size_t>(candidate));
  if (!behaviour.launches) return CUBLAS_STATUS_EXECUTION_FAILED;
  fake_cuda().clock_ms += behaviour.milliseconds + std::exchange(behaviour.first_milliseconds, 0);
  if (!fake_cuda().capturing) return compute(call);
  return fake_cuda().run(stream, [call] { (void)compute(call); }) ? CUBLAS_STATUS_SUCCESS
                                                                  : CUBLAS_STATUS_INTERNAL_ERROR;
}

}  // extern "C"
