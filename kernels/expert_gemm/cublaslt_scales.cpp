// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/cublaslt_scales.hpp"

#include <cmath>
#include <cstring>

namespace moecal::kernels {
namespace {

std::int64_t rounded_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::vector<std::byte> bytes_of(std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> rows_contiguous(const ScaleGrid& grid) {
  std::vector<float> values;
  for (std::int64_t inner = 0; inner < grid.inner; ++inner)
    for (std::int64_t row = 0; row < grid.rows; ++row) values.push_back(grid.at(row, inner));
  return bytes_of(values);
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

DeviceBuffer on_device(const std::vector<std::byte>& bytes) {
  return to_device(std::span<const std::byte>{bytes});
}

}  // namespace

std::vector<std::byte> arrange_scales(cublasLtMatmulMatrixScale_t mode,
                                      const PeriodicMatrix& operand, const ScaleGrid& grid) {
  switch (mode) {
    case CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F:
    case CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F:
      return rows_contiguous(grid);
    case CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F:
      return inner_contiguous(grid);
    case CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0:
      return tiled_exponents(grid);
    default:
      return bytes_of(std::span<const float>{&operand.scale, 1});
  }
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
