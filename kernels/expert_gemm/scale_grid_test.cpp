// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/scale_grid.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "kernels/expert_gemm/testing/made_problems.hpp"

namespace moecal::kernels {
namespace {

// Every token and weight is 1, so that c[0, 0] is the sum of the scales' products over k.
ExpertGemmOperands ones(std::int64_t rows, std::int64_t k) {
  const std::vector<double> values(static_cast<std::size_t>(rows * k), 1);
  return {operand_of(Dtype::fp8_e4m3, {rows, k}, values),
          operand_of(Dtype::fp8_e5m2, {rows, k}, values)};
}

TEST(Oracle, ScalesRowsByOuterVectors) {
  auto operands = ones(2, 3);
  operands.a_scales = {{1, 3}, 2, 1, {1, 10}};
  operands.b_scales = {{1, 3}, 2, 1, {2, 5}};
  EXPECT_EQ(oracle_of(operands), (std::vector<double>{6, 15, 60, 150}));
}

TEST(Oracle, ScalesBlocksAlongK) {
  auto operands = ones(1, 130);  // 128 and 2
  operands.a_scales = {{1, 128}, 1, 2, {1, 3}};
  operands.b_scales = {{1, 128}, 1, 2, {2, 5}};
  EXPECT_EQ(oracle_of(operands), (std::vector<double>{128 * 2 + 2 * 15}));
}

TEST(Oracle, ScalesBlocksOfWeights) {
  auto operands = ones(129, 129);
  operands.a_scales = {{1, 128}, 129, 2, std::vector<float>(129 * 2, 1)};
  operands.b_scales = {{128, 128}, 2, 2, {1, 2, 3, 4}};
  const auto c = oracle_of(operands);
  EXPECT_EQ(c[0], 128 + 2);
  EXPECT_EQ(c[127], 128 + 2);
  EXPECT_EQ(c[128], 128 * 3 + 4) << "the first output feature of the second block";
}

TEST(Oracle, ScalesBlocksWhereOperandsAreStoredTheOtherWayRound) {
  auto operands = ones(1, 64);
  operands.a_is_k_by_m = operands.b_is_k_by_n = true;
  operands.a = operand_of(Dtype::fp8_e4m3, {64, 1}, std::vector<double>(64, 1));
  operands.b = operand_of(Dtype::fp8_e5m2, {64, 1}, std::vector<double>(64, 1));
  operands.a_scales = {{1, 32}, 1, 2, {1, 0.5}};
  operands.b_scales = {{1, 32}, 1, 2, {1, 4}};
  EXPECT_EQ(oracle_of(operands), (std::vector<double>{32 + 64}));
}

TEST(ScaleGrid, HasTheBlocksOfItsMode) {
  const auto rows_and_blocks = [](const std::string& mode, Operand operand) {
    const auto grid = make_scale_grid({scale_block(mode, operand, 300), 200, 300, 0.5}, 1);
    return std::pair{grid.rows, grid.inner};
  };
  using Sizes = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(rows_and_blocks("outer_vector", Operand::weights), (Sizes{200, 1}));
  EXPECT_EQ(rows_and_blocks("block_1x128", Operand::weights), (Sizes{200, 3}));
  EXPECT_EQ(rows_and_blocks("block_128x128", Operand::weights), (Sizes{2, 3}));
  EXPECT_EQ(rows_and_blocks("block_128x128", Operand::tokens), (Sizes{200, 3}));
  EXPECT_EQ(rows_and_blocks("mx", Operand::tokens), (Sizes{200, 10}));
  EXPECT_EQ(rows_and_blocks("tensor", Operand::tokens), (Sizes{0, 0}));
}

TEST(ScaleGrid, HoldsScalesNearTheOneAskedFor) {
  const auto block = scale_block("block_1x128", Operand::tokens, 256);
  const auto scales = make_scale_grid({block, 50, 256, 0.1}, 1).scales;
  EXPECT_GE(*std::min_element(scales.begin(), scales.end()), 0.075F);
  EXPECT_LE(*std::max_element(scales.begin(), scales.end()), 0.125F);
  EXPECT_NE(scales[0], scales[1]);
  auto powers = make_scale_grid({block, 50, 256, 0.1, true}, 1).scales;
  std::sort(powers.begin(), powers.end());
  powers.erase(std::unique(powers.begin(), powers.end()), powers.end());
  EXPECT_EQ(powers, (std::vector<float>{0.03125F, 0.0625F}));
}
}  // namespace
}  // namespace moecal::kernels
