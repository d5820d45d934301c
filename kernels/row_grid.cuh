// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/multiprocessors.cuh"

namespace moecal::kernels {

inline constexpr int kRowBlockThreads = 256;

/// Blocks that a multiprocessor holds, about, of the kernels that take rows.
inline constexpr std::int64_t kRowBlocksHeld = 4;

/// A grid whose rows of threads (blockDim.x wide, threadIdx.y) each take a row of a matrix in
/// passes: all of them, or every gridDim.y-th.
struct RowGrid {
  dim3 grid;
  dim3 block;
  int step;  // words between two passes of a thread; a kernel's argument, for it takes no register
};

/// What a thread takes at a time: so many rows, of each so many words, blockDim.x apart.
struct PerThread {
  int rows;
  int words;
};

inline std::int64_t divided_up(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// Blocks that share a row's passes: where rows are few, as many as the device holds, so that long
/// ones are not taken pass after pass while most of it is idle.
inline std::int64_t blocks_per_row(std::int64_t blocks, std::int64_t passes) {
  if (passes <= 1 || blocks == 0) return 1;
  const std::int64_t wanted = divided_up(multiprocessors() * kRowBlocksHeld, blocks);
  return divided_up(passes, divided_up(passes, std::min(passes, wanted)));
}

/// As many threads per row, in whole warps, as leave the fewest idle in the passes that a row
/// takes; the rest of a block takes further rows.
inline RowGrid row_grid(std::int64_t rows, std::int64_t words, PerThread taken) {
  const std::int64_t passes = divided_up(words, std::int64_t{kRowBlockThreads} * taken.words);
  const std::int64_t warps = divided_up(words, passes * 32 * taken.words);
  const auto across = static_cast<unsigned>(32 * warps);
  const unsigned down = kRowBlockThreads / across;
  const std::int64_t blocks = divided_up(rows, std::int64_t{down} * taken.rows);
  const auto per_row = static_cast<unsigned>(blocks_per_row(blocks, passes));
  return {dim3{static_cast<unsigned>(blocks), per_row, 1}, dim3{across, down, 1},
          static_cast<int>(per_row * across) * taken.words};
}

/// The calling thread's row of that number below kRows.
template <int kRows = 1>
__device__ std::int64_t row_of_thread(int number = 0) {
  return (std::int64_t{blockIdx.x} * kRows + number) * blockDim.y + threadIdx.y;
}

/// The first word of the block's first pass, of threads that take kWords each.
template <int kWords>
__device__ int first_of_block() {
  return static_cast<int>(blockIdx.y * blockDim.x) * kWords;
}

}  // namespace moecal::kernels
