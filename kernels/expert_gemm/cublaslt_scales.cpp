// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/cublaslt_scales.hpp"

#include <cmath>
#include <cstring>

#include "kernels/expert_gemm/device_matrix.hpp"

namespace moecal::kernels {
namespace {

constexpr std::int64_t kAlignment = 16;  // of a product's scales, in bytes

std::int64_t rounded_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::vector<std::byte> bytes_of(std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> inner_contiguous(const ScaleGrid& grid) {
  const std::int64_t stride = rounded_up(grid.inner, 4);
  std::vector<float> values(static_cast<std::size_t>(grid.rows * stride));
  for (std::int64_t row = 0; row < grid.rows; ++row)
    for (std::int64_t inner = 0; inner < grid.inner; ++inner)
      values[static_cast<std::size_t>(row * stride + inner)] = grid.at(row, inner);
  return bytes_of(values);
}

std::vector<std::byte> tiled_exponents(const ScaleGrid& grid) {
  const std::int64_t tiles_inner = rounded_up(grid.inner, 4) / 4;
  std::vector<std::byte> bytes(
      static_cast<std::size_t>(rounded_up(grid.rows, 128) * tiles_inner * 4));
  for (std::int64_t row = 0; row < grid.rows; ++row)
    for (std::int64_t inner = 0; inner < grid.inner; ++inner) {
      const std::int64_t tile = row / 128 * tiles_inner + inner / 4;
      const std::int64_t within = row % 32 * 16 + row % 128 / 32 * 4 + inner % 4;
      bytes[static_cast<std::size_t>(tile * 512 + within)] =
          static_cast<std::byte>(std::ilogb(grid.at(row, inner)) + 127);
    }
  return bytes;
}

}  // namespace

std::vector<std::byte> arrange_scales(cublasLtMatmulMatrixScale_t mode,
                                      const PeriodicMatrix& operand, const ScaleGrid& grid) {
  switch (mode) {
    case CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F:
    case CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F:
      return bytes_of(rows_contiguous(grid));
    case CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F:
      return inner_contiguous(grid);
    case CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0:
      return tiled_exponents(grid);
    default:
      return bytes_of(std::span<const float>{&operand.scale, 1});
  }
}

std::int64_t scale_stride(cublasLtMatmulMatrixScale_t mode, std::int64_t rows, std::int64_t k) {
  constexpr std::int64_t kFloat = sizeof(float);
  const std::int64_t blocks = rounded_up(k, 128) / 128;
  switch (mode) {
    case CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F:
      return rounded_up(kFloat * rows, kAlignment);
    case CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F:
      return rounded_up(kFloat * rows * blocks, kAlignment);
    case CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F:
      return kFloat * (rounded_up(rows, 128) / 128) * rounded_up(blocks, 4);
    case CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0:
      return rounded_up(rows, 128) * rounded_up(rounded_up(k, 32) / 32, 4);
    default:
      return 0;
  }
}

std::vector<std::byte> arrange_group_scales(cublasLtMatmulMatrixScale_t mode,
                                            const PeriodicMatrix& operands, const ScaleGrid& grid,
                                            const std::vector<std::int64_t>& rows) {
  if (grid.empty()) return arrange_scales(mode, operands, grid);
  std::vector<std::byte> all;
  std::int64_t first = 0;
  for (const auto count : rows) {
    const auto one = arrange_scales(mode, operands, rows_of_grid(grid, first, count));
    all.insert(all.end(), one.begin(), one.end());
    all.resize(
        static_cast<std::size_t>(rounded_up(static_cast<std::int64_t>(all.size()), kAlignment)));
    first += count;
  }
  return all;
}

CublasLtOperandScales::CublasLtOperandScales(const CublasLtPlan& plan,
                                             const ExpertGemmOperands& operands)
    : weights_{on_device(arrange_scales(plan.scale_modes.weights, operands.b, operands.b_scales))},
      tokens_{on_device(arrange_scales(plan.scale_modes.tokens, operands.a, operands.a_scales))},
      factor_{plan.has_scales ? 1.0F : operands.a.scale * operands.b.scale} {}

CublasLtScales CublasLtOperandScales::get() const {
  return {weights_.data(), tokens_.data(), factor_};
}

}  // namespace moecal::kernels
