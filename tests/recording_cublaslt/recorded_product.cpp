// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_cublaslt/recorded_product.hpp"

#include <cmath>

#include "core/element.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

namespace moecal::tests {
namespace {

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
  [[nodiscard]] std::uint64_t rows() const { return transposed ? layout.columns : layout.rows; }
  [[nodiscard]] std::uint64_t columns() const { return transposed ? layout.rows : layout.columns; }
  [[nodiscard]] bool lies_in_its_buffer() const {
    const auto last =
        layout.rows + (layout.columns - 1) * static_cast<std::uint64_t>(layout.leading_dimension);
    return static_cast<std::uint64_t>(layout.leading_dimension) >= layout.rows &&
           fake_cuda().owns(address, last * static_cast<std::uint64_t>(size_of(dtype())));
  }
  [[nodiscard]] bool is_fp8() const {
    return dtype() == Dtype::fp8_e4m3 || dtype() == Dtype::fp8_e5m2;
  }
};

View view(const RecordedLayout& layout, const void* address, bool transposed) {
  return {layout, static_cast<std::byte*>(const_cast<void*>(address)), transposed};
}

bool is_transposed(const RecordedOperation& operation, cublasLtMatmulDescAttributes_t attribute) {
  return operation.attributes.has(attribute) &&
         operation.attributes.get<cublasOperation_t>(attribute) == CUBLAS_OP_T;
}

constexpr std::uint64_t up(std::uint64_t value, std::uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// The scales of one operand; `outer` is its extent that is not summed over, `inner` the other.
struct Scales {
  std::int32_t mode = CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
  const void* address = nullptr;
  std::uint64_t outer = 0, inner = 0;

  [[nodiscard]] std::uint64_t bytes() const {
    const std::uint64_t blocks = up(inner, 128) / 128;
    switch (mode) {
      case CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F:
        return 4;
      case CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F:
        return 4 * outer;
      case CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F:
        return 4 * outer * blocks;
      case CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F:
        return 4 * up(blocks, 4) * (up(outer, 128) / 128);
      case CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0:
        return up(outer, 128) * up(up(inner, 32) / 32, 4);
      default:
        throw std::runtime_error{"the fake cuBLASLt does not know this scale mode"};
    }
  }
  [[nodiscard]] bool lie_in_their_buffer() const {
    if (address == nullptr) return true;
    const auto start = reinterpret_cast<std::uintptr_t>(address);
    const bool one = mode == CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
    return fake_cuda().owns(address, bytes()) && (one || start % 16 == 0);
  }
  [[nodiscard]] double of(std::uint64_t i, std::uint64_t l) const {
    if (address == nullptr) return 1;
    const auto* floats = static_cast<const float*>(address);
    switch (mode) {
      case CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F:
        return floats[i];
      case CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F:
        return floats[l / 128 * outer + i];
      case CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F:
        return floats[i / 128 * up(up(inner, 128) / 128, 4) + l / 128];
      case CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0:
        return std::exp2(exponent(i, l / 32) - 127);
      default:
        return floats[0];
    }
  }

 private:
  // Tiles of 128 x 4 one after the other along the blocks of a row; see "1D Block Scaling Factors
  // Layout" in cuBLAS's manual.
  [[nodiscard]] int exponent(std::uint64_t i, std::uint64_t block) const {
    const std::uint64_t blocks = up(up(inner, 32) / 32, 4);
    const std::uint64_t first = i / 128 * 128 * blocks + block / 4 * 4 * 128;
    const std::uint64_t in_tile = i % 128;
    return static_cast<const std::uint8_t*>(
        address)[first + (in_tile % 32) * 16 + (in_tile / 32) * 4 + block % 4];
  }
};

Scales scales_of(const RecordedOperation& operation, cublasLtMatmulDescAttributes_t mode,
                 cublasLtMatmulDescAttributes_t pointer) {
  Scales scales;
  const auto& attributes = operation.attributes;
  if (attributes.has(mode)) scales.mode = attributes.get<std::int32_t>(mode);
  if (attributes.has(pointer)) scales.address = attributes.get<const void*>(pointer);
  return scales;
}

// The manual's tables of what FP8 products there are; `capability` is major * 10 + minor.
bool fp8_is_supported(const Scales& a, const Scales& b, bool tn, int capability) {
  const bool only_tn = capability < 100 || capability >= 120;
  if (only_tn && !tn) return false;
  constexpr auto kVector = CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F;
  constexpr auto kBlock = CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F;
  const bool hopper = capability == 90;
  if ((a.mode == kVector || a.mode == kBlock) && (b.mode == kVector || b.mode == kBlock))
    return hopper && !(a.mode == kBlock && b.mode == kBlock) && a.outer % 4 == 0 &&
           b.outer % 4 == 0;
  if (a.mode != b.mode) return false;
  if (a.mode == CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F) return hopper;
  if (a.mode == CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0) return capability >= 100;
  return capability >= 89;
}

bool is_supported(const View& a, const View& b, const Scales& a_scales, const Scales& b_scales) {
  const bool tn = a.transposed && !b.transposed;
  if (a.dtype() == Dtype::int8) return tn;
  if (!a.is_fp8()) return true;
  if (a.dtype() == Dtype::fp8_e5m2 && b.dtype() == Dtype::fp8_e5m2) return false;
  return fp8_is_supported(a_scales, b_scales, tn,
                          10 * fake_cuda().compute_major + fake_cuda().compute_minor);
}

// [outer, k] row-major, scaled.
template <class At>
std::vector<double> decoded(std::uint64_t outer, std::uint64_t k, const Scales& scales, At at) {
  std::vector<double> values;
  values.reserve(outer * k);
  for (std::uint64_t i = 0; i < outer; ++i)
    for (std::uint64_t l = 0; l < k; ++l) values.push_back(at(i, l) * scales.of(i, l));
  return values;
}

}  // namespace

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

namespace {

std::int32_t batches_of(const RecordedLayout& layout) {
  constexpr auto kCount = CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT;
  return layout.attributes.has(kCount) ? layout.attributes.get<std::int32_t>(kCount) : 1;
}

/// Where matrix `batch` of an operand starts.
const void* address_of(const RecordedLayout& layout, const void* first, std::int32_t batch) {
  if (batch == 0) return first;
  const auto stride =
      layout.attributes.get<std::int64_t>(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
  return static_cast<const std::byte*>(first) + batch * stride * size_of(dtype_of(layout.type));
}

cublasStatus_t compute_one(const RecordedMatmul& call) {
  const auto& operation = call.operation;
  const View a =
      view(call.a, call.a_address, is_transposed(operation, CUBLASLT_MATMUL_DESC_TRANSA));
  const View b =
      view(call.b, call.b_address, is_transposed(operation, CUBLASLT_MATMUL_DESC_TRANSB));
  const View d = view(call.d, call.d_address, false);
  for (const View& matrix : {a, b, d})
    if (!matrix.lies_in_its_buffer()) return CUBLAS_STATUS_INVALID_VALUE;
  const std::uint64_t k = a.columns();
  if (k != b.rows() || a.rows() != d.rows() || b.columns() != d.columns())
    return CUBLAS_STATUS_INVALID_VALUE;
  auto a_scales =
      scales_of(operation, CUBLASLT_MATMUL_DESC_A_SCALE_MODE, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER);
  auto b_scales =
      scales_of(operation, CUBLASLT_MATMUL_DESC_B_SCALE_MODE, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER);
  a_scales.outer = a.rows();
  b_scales.outer = b.columns();
  a_scales.inner = b_scales.inner = k;
  if (!is_supported(a, b, a_scales, b_scales)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!a_scales.lie_in_their_buffer() || !b_scales.lie_in_their_buffer())
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto a_values = decoded(a.rows(), k, a_scales, [&](std::uint64_t i, std::uint64_t l) {
    return decode_element(a.dtype(), a.element(i, l));
  });
  const auto b_values = decoded(b.columns(), k, b_scales, [&](std::uint64_t j, std::uint64_t l) {
    return decode_element(b.dtype(), b.element(l, j));
  });
  for (std::uint64_t column = 0; column < d.columns(); ++column)
    for (std::uint64_t row = 0; row < d.rows(); ++row) {
      double sum = 0;
      for (std::uint64_t l = 0; l < k; ++l) sum += a_values[row * k + l] * b_values[column * k + l];
      encode_element(d.dtype(), call.alpha * sum, d.element(row, column));
    }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

cublasStatus_t compute_as_told(const RecordedMatmul& call) {
  const auto batches = batches_of(call.d);
  for (const auto& layout : {call.a, call.b, call.c})
    if (batches_of(layout) != batches) return CUBLAS_STATUS_INVALID_VALUE;
  for (std::int32_t batch = 0; batch < batches; ++batch) {
    RecordedMatmul one = call;
    one.a_address = address_of(call.a, call.a_address, batch);
    one.b_address = address_of(call.b, call.b_address, batch);
    one.d_address = const_cast<void*>(address_of(call.d, call.d_address, batch));
    if (const auto status = compute_one(one); status != CUBLAS_STATUS_SUCCESS) return status;
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace moecal::tests
