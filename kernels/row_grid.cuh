// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

namespace moecal::kernels {

inline constexpr int kRowBlockThreads = 256;

/// A grid whose rows of threads (blockDim.x wide, threadIdx.y) each take one row of a matrix.
struct RowGrid {
  dim3 grid;
  dim3 block;
};

/// As many threads per row as have `per_thread` words each, in whole warps; the rest of a block
/// takes further rows.
inline RowGrid row_grid(std::int64_t rows, std::int64_t words, int per_thread) {
  const std::int64_t words_per_warp = 32 * per_thread;
  const std::int64_t warps = (words + words_per_warp - 1) / words_per_warp;
  const auto across = static_cast<unsigned>(std::min<std::int64_t>(32 * warps, kRowBlockThreads));
  const unsigned down = kRowBlockThreads / across;
  return {dim3{static_cast<unsigned>((rows + down - 1) / down), 1, 1}, dim3{across, down, 1}};
}

/// The row of the calling thread.
__device__ inline std::int64_t row_of_thread() {
  return std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y;
}

}  // namespace moecal::kernels
