// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "kernels/grouped_gemm/cutlass_check.cuh"
#include "kernels/grouped_gemm/cutlass_groups.hpp"
#include "runtime/buffer.hpp"

/// For .cu files of CUTLASS kernels only.
namespace moecal::kernels {

template <class T>
[[nodiscard]] DeviceBuffer device_array(const std::vector<T>& values) {
  return to_device(std::span<const T>{values});
}

/// What every grouped kernel of CUTLASS reads from device memory: of each group its extents (rows,
/// n, k) and the addresses of its tokens, weights and results.
template <class Extents>
struct CutlassOperands {
  explicit CutlassOperands(const CutlassSetup& setup) {
    // not const: CUTLASS 2's kernels take pointers to elements they only read
    std::vector<void*> token_rows, weight_matrices, result_rows;
    for (const auto& group : setup.groups) {
      extents.push_back(
          {static_cast<int>(group.rows), static_cast<int>(setup.n), static_cast<int>(setup.k)});
      token_rows.push_back(const_cast<void*>(group.tokens));
      weight_matrices.push_back(const_cast<void*>(group.weights));
      result_rows.push_back(group.result);
    }
    device_extents = device_array(extents);
    tokens = device_array(token_rows);
    weights = device_array(weight_matrices);
    results = device_array(result_rows);
  }

  std::vector<Extents> extents;
  DeviceBuffer device_extents, tokens, weights, results;
};

}  // namespace moecal::kernels
