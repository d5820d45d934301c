// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "kernels/expert_gemm/expert_gemm.hpp"

/// Which products are measured: data, apart from how they are measured.
namespace moecal::kernels {

struct ExpertGemmPoint {
  ExpertGemmShape shape;
  Dtypes dtypes;
};

/// The record's words for a family of types: f32, f16, bf16, int8 (-> int32), fp8_e4m3 (-> bf16,
/// one scale per operand); with another scale mode behind a slash: fp8_e4m3/block_1x128,
/// int8/tensor (-> int8). @throws InvalidInput on another name.
[[nodiscard]] Dtypes expert_gemm_dtypes(const std::string& family);

/// The same for a gradient, which frameworks run in `layout`. An FP8 gradient is E5M2, and its
/// product is TN: that is all that Hopper has. Its operands are copies that were transposed when
/// they were cast; the layer pays for that in the cast (see quantize), not in the product's time.
[[nodiscard]] Dtypes expert_gemm_gradient_dtypes(const std::string& family,
                                                 const std::string& layout);

/// Small products of every type, and in a build for GPUs some that fill one.
[[nodiscard]] std::vector<ExpertGemmPoint> quick_sweep(bool for_gpus);
/// The products that the planning documents' primitives name (gemm.* in claims/primitives.json), of
/// dense layers and of groups those that a fit learns from: every weight, at some of the rows. f32
/// is a CPU's.
[[nodiscard]] std::vector<ExpertGemmPoint> planner_sweep(bool for_gpus);
/// The planner's, all rows of the documents' groups, the other scale modes, results and layouts at
/// the documents' shapes, and a grid over m for the shapes of widely used models.
[[nodiscard]] std::vector<ExpertGemmPoint> full_sweep(bool for_gpus);

}  // namespace moecal::kernels
