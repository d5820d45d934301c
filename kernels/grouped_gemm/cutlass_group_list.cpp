// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cutlass_group_list.hpp"

namespace moecal::kernels {
namespace {

constexpr std::int64_t kBlock = 128;  // weights, and summed indices, that share a scale

const std::byte* after(const void* base, std::int64_t elements, Dtype dtype) {
  return static_cast<const std::byte*>(base) + elements * size_of(dtype);
}
const float* after(const float* base, std::int64_t scales) {
  return base == nullptr ? nullptr : base + scales;
}

void append(std::vector<float>& all, const ScaleGrid& grid) {
  const auto one = rows_contiguous(grid);
  all.insert(all.end(), one.begin(), one.end());
}

}  // namespace

std::vector<CutlassGroup> cutlass_groups(const GroupedGemmProblem& problem,
                                         const std::vector<std::int64_t>& rows,
                                         const CutlassAddresses& bases) {
  const auto& product = problem.product;
  const auto& [m, n, k] = product.shape;
  const auto multiplied = multiplied_rows(problem, rows);
  const auto blocks = padded_rows({k}, kBlock) / kBlock;
  const auto weight_blocks = blocks * (padded_rows({n}, kBlock) / kBlock);
  std::vector<CutlassGroup> groups;
  std::int64_t first = 0;
  for (std::int64_t group = 0; group < problem.groups; ++group) {
    const auto count = multiplied[static_cast<std::size_t>(group)];
    if (count == 0) continue;  // an empty group is no product
    groups.push_back({.rows = count,
                      .weights = after(bases.weights, group * n * k, product.b),
                      .tokens = after(bases.tokens, first * k, product.a),
                      .result = const_cast<std::byte*>(after(bases.result, first * n, product.c)),
                      .weight_scales = after(bases.weight_scales, group * weight_blocks),
                      .token_scales = after(bases.token_scales, first * blocks)});
    first += count;
  }
  return groups;
}

std::vector<float> cutlass_scales(const ScaleGrid& grid, const std::vector<std::int64_t>& rows) {
  std::vector<float> all;
  std::int64_t first = 0;
  for (const auto count : rows) {
    append(all, rows_of_grid(grid, first, count));
    first += count;
  }
  return all;
}

}  // namespace moecal::kernels
