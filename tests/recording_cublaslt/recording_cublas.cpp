// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_cublaslt/recording_cublas.hpp"

#include "core/element.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

namespace moecal::tests {

FakeCublas& fake_cublas() {
  static FakeCublas library;
  return library;
}

namespace {

/// A column-major matrix in device memory.
struct Matrix {
  Dtype dtype;
  std::byte* address;
  std::int64_t rows, columns, leading;

  [[nodiscard]] std::byte* element(std::int64_t row, std::int64_t column) const {
    return address + (row + column * leading) * size_of(dtype);
  }
  [[nodiscard]] double operator()(std::int64_t row, std::int64_t column) const {
    return decode_element(dtype, element(row, column));
  }
  [[nodiscard]] bool lies_in_its_buffer() const {
    return leading >= rows &&
           fake_cuda().owns(address, static_cast<std::size_t>((rows + (columns - 1) * leading) *
                                                              size_of(dtype)));
  }
};

Dtype dtype_of(cudaDataType_t type) {
  if (type == CUDA_R_16F) return Dtype::f16;
  return type == CUDA_R_16BF ? Dtype::bf16 : Dtype::f32;
}

template <class Address>
std::byte* address_of(Address address) {
  return static_cast<std::byte*>(const_cast<void*>(static_cast<const void*>(address)));
}

/// D = A^T B.
cublasStatus_t multiply(const Matrix& a, const Matrix& b, const Matrix& d) {
  for (const auto& matrix : {a, b, d})
    if (!matrix.lies_in_its_buffer()) return CUBLAS_STATUS_INVALID_VALUE;
  for (std::int64_t column = 0; column < d.columns; ++column)
    for (std::int64_t row = 0; row < d.rows; ++row) {
      double sum = 0;
      for (std::int64_t l = 0; l < a.rows; ++l) sum += a(l, row) * b(l, column);
      encode_element(d.dtype, sum, d.element(row, column));
    }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace
}  // namespace moecal::tests

using namespace moecal::tests;

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = reinterpret_cast<cublasHandle_t>(new char);
  ++fake_cublas().live_handles;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete reinterpret_cast<char*>(handle);
  --fake_cublas().live_handles;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* version) {
  *version = 130100;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t, cudaStream_t stream) {
  fake_cublas().stream = stream;
  fake_cublas().workspace_bytes = 0;  // as the manual says
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void* workspace, size_t bytes) {
  if (!fake_cuda().owns(workspace, bytes)) return CUBLAS_STATUS_INVALID_VALUE;
  fake_cublas().workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

// Of the one form that is used: A transposed, B not, alpha 1, beta 0, a product per group.
cublasStatus_t cublasGemmGroupedBatchedEx(
    cublasHandle_t, const cublasOperation_t transa[], const cublasOperation_t transb[],
    const int m[], const int n[], const int k[], const void* alpha, const void* const a[],
    cudaDataType_t a_type, const int lda[], const void* const b[], cudaDataType_t b_type,
    const int ldb[], const void* beta, void* const c[], cudaDataType_t c_type, const int ldc[],
    int group_count, const int group_size[], cublasComputeType_t compute) {
  if (compute != CUBLAS_COMPUTE_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  const auto addresses = static_cast<std::size_t>(group_count) * sizeof(void*);
  for (const auto* array :
       {static_cast<const void*>(a), static_cast<const void*>(b), static_cast<const void*>(c)})
    if (!fake_cuda().owns(array, addresses)) return CUBLAS_STATUS_INVALID_VALUE;
  fake_cublas().workspaces_used.push_back(fake_cublas().workspace_bytes);
  auto& groups = fake_cublas().grouped.emplace_back();
  for (int g = 0; g < group_count; ++g) {
    groups.push_back({m[g], n[g], k[g], group_size[g]});
    if (transa[g] != CUBLAS_OP_T || transb[g] != CUBLAS_OP_N || group_size[g] != 1 ||
        static_cast<const float*>(alpha)[g] != 1 || static_cast<const float*>(beta)[g] != 0)
      return CUBLAS_STATUS_NOT_SUPPORTED;
    const auto status = multiply({dtype_of(a_type), address_of(a[g]), k[g], m[g], lda[g]},
                                 {dtype_of(b_type), address_of(b[g]), k[g], n[g], ldb[g]},
                                 {dtype_of(c_type), address_of(c[g]), m[g], n[g], ldc[g]});
    if (status != CUBLAS_STATUS_SUCCESS) return status;
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
