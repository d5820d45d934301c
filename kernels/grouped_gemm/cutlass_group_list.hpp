// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/grouped_gemm/cutlass_groups.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"

/// What CUTLASS's kernels are told of each group, decided without a device.
namespace moecal::kernels {

/// What cutlass_groups knows of a set's device memory; scales are null where operands have one
/// each.
struct CutlassAddresses {
  const void* weights = nullptr;
  const void* tokens = nullptr;
  void* result = nullptr;
  const float* weight_scales = nullptr;
  const float* token_scales = nullptr;
};
/// The groups of a draw that have rows, those multiplied_rows; everything lies group after group.
[[nodiscard]] std::vector<CutlassGroup> cutlass_groups(const GroupedGemmProblem& problem,
                                                       const std::vector<std::int64_t>& rows,
                                                       const CutlassAddresses& bases);
/// The scales of groups that have so many rows of blocks, as a CutlassGroup has them.
[[nodiscard]] std::vector<float> cutlass_scales(const ScaleGrid& grid,
                                                const std::vector<std::int64_t>& rows);

}  // namespace moecal::kernels
