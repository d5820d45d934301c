// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/periodic_matrix.hpp"

/// Scales that a block of an operand's elements share: what an element stands for is its decoded
/// value times its block's scale.
namespace moecal::kernels {

enum class Operand { tokens, weights };

/// Rows (tokens, or output features) and summed indices that share a scale.
struct ScaleBlock {
  std::int64_t rows = 0;
  std::int64_t inner = 0;
};

/// Of an operand with `k` summed indices; 0 x 0 where the mode has no blocks (none, tensor):
///   outer_vector   1 x k, of both operands
///   block_1x128    1 x 128, of both
///   block_128x128  1 x 128 of the tokens, 128 x 128 of the weights: no library multiplies two
///                  operands of 128 x 128 blocks
///   mx             1 x 32, of both; the scales are powers of two
[[nodiscard]] ScaleBlock scale_block(const std::string& scale_mode, Operand operand,
                                     std::int64_t k);

/// Tokens that a product takes whole. 4 where FP32 scales belong to 128 summed indices: those of
/// one block lie side by side, one per token, and every block's begin at a multiple of 16 bytes.
[[nodiscard]] std::int64_t token_multiple(const std::string& scale_mode);

struct ScaleGrid {
  ScaleBlock block;
  std::int64_t rows = 0;      // of blocks; the last may be smaller
  std::int64_t inner = 0;     // blocks along the summed index
  std::vector<float> scales;  // [rows, inner] row-major

  [[nodiscard]] bool empty() const { return scales.empty(); }
  [[nodiscard]] float at(std::int64_t block_row, std::int64_t block_inner) const {
    return scales[static_cast<std::size_t>(block_row * inner + block_inner)];
  }
};

/// What a grid covers, and what its scales are near.
struct ScaleGridSpec {
  ScaleBlock block;
  std::int64_t rows = 0;
  std::int64_t k = 0;
  double scale = 1;
  bool powers_of_two = false;
};
/// Random scales of 0.75 to 1.25 times `scale`; or the largest power of two that is at most
/// `scale`, or half of it for every fourth block. An empty grid for blocks of 0 x 0.
[[nodiscard]] ScaleGrid make_scale_grid(const ScaleGridSpec& spec, std::uint64_t seed);

/// The same in place of the matrix's own scale, which becomes 1; without blocks the matrix stays as
/// it is.
[[nodiscard]] ScaleGrid take_scale(PeriodicMatrix& matrix, ScaleGridSpec spec, std::uint64_t seed);

/// Some rows of blocks that follow one another.
[[nodiscard]] ScaleGrid rows_of_grid(const ScaleGrid& grid, std::int64_t first, std::int64_t count);

/// [inner, rows]: the scales of one block of summed indices side by side.
[[nodiscard]] std::vector<float> rows_contiguous(const ScaleGrid& grid);

/// Multiplies the k values of one row (token, or output feature) by their scales, if there are any.
void apply_scales(const ScaleGrid& grid, std::int64_t row, std::span<double> values);

}  // namespace moecal::kernels
