// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/scale_grid.hpp"

#include <cmath>
#include <random>

namespace moecal::kernels {
namespace {

std::int64_t blocks_of(std::int64_t extent, std::int64_t block) {
  return (extent + block - 1) / block;
}

}  // namespace

ScaleBlock scale_block(const std::string& scale_mode, Operand operand, std::int64_t k) {
  if (scale_mode == "outer_vector") return {1, k};
  if (scale_mode == "block_1x128") return {1, 128};
  if (scale_mode == "block_128x128") return {operand == Operand::weights ? 128 : 1, 128};
  if (scale_mode == "mx") return {1, 32};
  return {};
}

std::int64_t token_multiple(const std::string& scale_mode) {
  return scale_mode == "block_1x128" || scale_mode == "block_128x128" ? 4 : 1;
}

ScaleGrid make_scale_grid(const ScaleGridSpec& spec, std::uint64_t seed) {
  const auto& block = spec.block;
  if (block.rows == 0) return {};
  ScaleGrid grid{block, blocks_of(spec.rows, block.rows), blocks_of(spec.k, block.inner), {}};
  const double power = std::exp2(std::floor(std::log2(spec.scale)));
  std::mt19937_64 engine{seed};
  grid.scales.resize(static_cast<std::size_t>(grid.rows * grid.inner));
  for (auto& scale : grid.scales) {
    const double unit = static_cast<double>(engine() >> 11) * 0x1p-53;
    scale = static_cast<float>(spec.powers_of_two ? (unit < 0.25 ? power / 2 : power)
                                                  : spec.scale * (0.75 + 0.5 * unit));
  }
  return grid;
}

ScaleGrid take_scale(PeriodicMatrix& matrix, ScaleGridSpec spec, std::uint64_t seed) {
  spec.scale = matrix.scale;
  auto grid = make_scale_grid(spec, seed);
  if (!grid.empty()) matrix.scale = 1;
  return grid;
}

ScaleGrid rows_of_grid(const ScaleGrid& grid, std::int64_t first, std::int64_t count) {
  if (grid.empty()) return {};
  const auto begin = grid.scales.begin() + first * grid.inner;
  return {grid.block, count, grid.inner, {begin, begin + count * grid.inner}};
}

std::vector<float> rows_contiguous(const ScaleGrid& grid) {
  std::vector<float> values;
  values.reserve(grid.scales.size());
  for (std::int64_t inner = 0; inner < grid.inner; ++inner)
    for (std::int64_t row = 0; row < grid.rows; ++row) values.push_back(grid.at(row, inner));
  return values;
}

void apply_scales(const ScaleGrid& grid, std::int64_t row, std::span<double> values) {
  if (grid.empty()) return;
  const std::int64_t block_row = row / grid.block.rows;
  for (std::size_t l = 0; l < values.size(); ++l)
    values[l] *=
        static_cast<double>(grid.at(block_row, static_cast<std::int64_t>(l) / grid.block.inner));
}

}  // namespace moecal::kernels
