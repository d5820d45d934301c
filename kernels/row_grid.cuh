// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace moecal::kernels {

inline constexpr int kRowBlockThreads = 256;

/// A grid whose rows of threads (blockDim.x wide, threadIdx.y) each take whole rows of a matrix.
struct RowGrid {
  dim3 grid;
  dim3 block;
};

/// What a thread takes at a time: so many rows, of each so many words, blockDim.x apart.
struct PerThread {
  int rows;
  int words;
};

inline std::int64_t divided_up(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// As many threads per row, in whole warps, as leave the fewest idle in the passes that a row
/// takes; the rest of a block takes further rows.
inline RowGrid row_grid(std::int64_t rows, std::int64_t words, PerThread taken) {
  const std::int64_t passes = divided_up(words, std::int64_t{kRowBlockThreads} * taken.words);
  const std::int64_t warps = divided_up(words, passes * 32 * taken.words);
  const auto across = static_cast<unsigned>(32 * warps);
  const unsigned down = kRowBlockThreads / across;
  return {dim3{static_cast<unsigned>(divided_up(rows, std::int64_t{down} * taken.rows)), 1, 1},
          dim3{across, down, 1}};
}

/// The calling thread's row of that number below kRows.
template <int kRows = 1>
__device__ std::int64_t row_of_thread(int number = 0) {
  return (std::int64_t{blockIdx.x} * kRows + number) * blockDim.y + threadIdx.y;
}

}  // namespace moecal::kernels
