// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/expert_gemm/cublaslt_matmul.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "runtime/buffer.hpp"

/// Scales in the order that cuBLASLt reads them in. For .cpp files of cuBLASLt backends.
namespace moecal::kernels {

/// Of an operand with r rows (n of the weights, m of the tokens) and L blocks along k, by mode:
/// - SCALAR_32F: one float.
/// - OUTER_VEC_32F: [r] floats.
/// - VEC128_32F: [L, r] floats, so that rows are contiguous.
/// - BLK128x128_32F: [r / 128, L rounded up to 4] floats; what lies outside is 0.
/// - VEC32_UE8M0: one byte each, the exponent plus 127. A tile of 128 rows by 4 blocks takes 512
///   bytes, in which row i's block b is at i % 32 * 16 + i / 32 * 4 + b; tiles follow one another
///   along k first. What lies outside the operand is 0.
///
/// None of them depends on the layout of the operand itself. They are laid out before anything is
/// timed: a layer's cast writes them in this order.
[[nodiscard]] std::vector<std::byte> arrange_scales(cublasLtMatmulMatrixScale_t mode,
                                                    const PeriodicMatrix& operand,
                                                    const ScaleGrid& grid);

/// Bytes from one group's scales to the next's, where the operands of several products follow one
/// another, each of `rows` rows and k summed indices: what arrange_scales makes of one, to the next
/// multiple of 16, which cuBLASLt's scales begin at. 0 for SCALAR_32F: all share one.
[[nodiscard]] std::int64_t scale_stride(cublasLtMatmulMatrixScale_t mode, std::int64_t rows,
                                        std::int64_t k);

/// Of several operands that follow one another: `rows` rows of blocks each, 0 of one that is none.
[[nodiscard]] std::vector<std::byte> arrange_group_scales(cublasLtMatmulMatrixScale_t mode,
                                                          const PeriodicMatrix& operands,
                                                          const ScaleGrid& grid,
                                                          const std::vector<std::int64_t>& rows);

/// The scales of a product's operands in device memory.
class CublasLtOperandScales {
 public:
  CublasLtOperandScales(const CublasLtPlan& plan, const ExpertGemmOperands& operands);
  /// Valid as long as this object.
  [[nodiscard]] CublasLtScales get() const;

 private:
  DeviceBuffer weights_, tokens_;
  float factor_;
};

}  // namespace moecal::kernels
