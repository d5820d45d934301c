// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cutlass_group_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/expert_gemm/expert_gemm_sweep.hpp"

namespace moecal::kernels {
namespace {

using testing::ElementsAre;

GroupedGemmProblem problem_of(const std::string& family) {
  return grouped_gemm_problem({{"groups", 3}, {"m", 3}, {"n", 144}, {"k", 272}},
                              expert_gemm_dtypes(family), {});
}

// Addresses that are only reckoned with.
std::byte* at(std::uintptr_t address) { return reinterpret_cast<std::byte*>(address); }
const float* floats_at(std::uintptr_t address) { return reinterpret_cast<const float*>(address); }

const CutlassAddresses kBases{at(0x100000), at(0x200000), at(0x300000), floats_at(0x400000),
                              floats_at(0x500000)};

// Three blocks of 272 summed indices, two of 144 weights.
TEST(CutlassGroups, HaveScalesOfTheirOwnBesideTheirMultipliedRows) {
  const auto groups = cutlass_groups(problem_of("fp8_e4m3/block_128x128"), {3, 0, 6}, kBases);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].rows, 4);
  EXPECT_EQ(groups[0].weight_scales, kBases.weight_scales);
  EXPECT_EQ(groups[0].token_scales, kBases.token_scales);
  const auto& last = groups[1];
  EXPECT_EQ(last.rows, 8);
  EXPECT_EQ(last.weights, at(0x100000 + 2 * 144 * 272));
  EXPECT_EQ(last.tokens, at(0x200000 + 4 * 272));
  EXPECT_EQ(last.result, at(0x300000 + 4 * 144 * 2));
  EXPECT_EQ(last.weight_scales, kBases.weight_scales + 2 * 3 * 2);
  EXPECT_EQ(last.token_scales, kBases.token_scales + 4 * 3);
}

TEST(CutlassGroups, HaveNoScalesOfBlocksWhereThereAreNone) {
  const auto groups = cutlass_groups(problem_of("bf16"), {3, 0, 6}, {at(16), at(16), at(16)});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[1].rows, 6);
  EXPECT_EQ(groups[1].tokens, at(16 + 3 * 272 * 2));
  EXPECT_EQ(groups[1].weight_scales, nullptr);
  EXPECT_EQ(groups[1].token_scales, nullptr);
}

// Of a group those of one block of summed indices lie side by side.
TEST(CutlassScales, AreGroupAfterGroup) {
  const ScaleGrid grid{{1, 128}, 3, 2, {1, 2, 3, 4, 5, 6}};
  EXPECT_THAT(cutlass_scales(grid, {2, 0, 1}), ElementsAre(1, 3, 2, 4, 5, 6));
  EXPECT_THAT(cutlass_scales({}, {0, 0}), ElementsAre());
}

}  // namespace
}  // namespace moecal::kernels
