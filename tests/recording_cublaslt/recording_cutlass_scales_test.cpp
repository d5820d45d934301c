// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/grouped_gemm/cutlass_group_list.hpp"
#include "kernels/grouped_gemm/cutlass_scales.cuh"
#include "tests/fakes/fake_cuda_runtime.hpp"

// What CUTLASS's kernel with scales per block is told, by CUTLASS's own headers: its arrays lie in
// the fake device's memory, which is the host's.
namespace moecal::kernels {
namespace {

using tests::fake_cuda;

/// The part of a mainloop's arguments that scales are.
struct Arguments {
  const float** ptr_SFA = nullptr;
  CutlassBlocks::TokenLayout* layout_SFA = nullptr;
  const float** ptr_SFB = nullptr;
  CutlassBlocks::WeightLayout* layout_SFB = nullptr;
};

class CutlassBlockScales : public testing::Test {
 protected:
  void SetUp() override { fake_cuda().devices = 1; }
  void TearDown() override { EXPECT_TRUE(fake_cuda().buffers.empty()); }

  const GroupedGemmProblem problem_ =
      grouped_gemm_problem({{"groups", 3}, {"m", 50}, {"n", 144}, {"k", 272}},
                           expert_gemm_dtypes("fp8_e4m3/block_128x128"), {});
  const ExpertGemmOperands operands_ = make_grouped_gemm_operands(problem_, 5);
  const std::vector<std::int64_t> rows_{3, 0, 147};
};

// CUTLASS asks its layout for the scale of (row, summed index): it finds the oracle's there.
TEST_F(CutlassBlockScales, LieWhereItsLayoutsLookForThem) {
  const auto token_scales = cutlass_scales(operands_.a_scales, multiplied_rows(problem_, rows_));
  const auto weight_scales = cutlass_scales(operands_.b_scales, {2, 2, 2});
  const auto groups = cutlass_groups(
      problem_, rows_, {nullptr, nullptr, nullptr, weight_scales.data(), token_scales.data()});
  const CutlassBlocks blocks{{groups, 144, 272, 1, Dtype::fp8_e4m3}};
  Arguments arguments;
  blocks.add_to(arguments);
  ASSERT_TRUE(fake_cuda().owns(arguments.layout_SFA, 2 * sizeof *arguments.layout_SFA));
  ASSERT_TRUE(fake_cuda().owns(arguments.layout_SFB, 2 * sizeof *arguments.layout_SFB));
  for (const int product : {0, 1}) {
    const std::int64_t group = 2 * product;
    const auto expected = group_operands(problem_, operands_, rows_, group);
    const auto token_layout = arguments.layout_SFA[product];
    const auto weight_layout = arguments.layout_SFB[product];
    const auto* of_tokens = arguments.ptr_SFA[product];
    const auto* of_weights = arguments.ptr_SFB[product];
    for (int l = 0; l < 272; l += 16) {
      for (int i = 0; i < rows_[static_cast<std::size_t>(group)]; ++i)
        EXPECT_EQ(of_tokens[token_layout(i, l, 0)], expected.a_scales.at(i, l / 128));
      for (int j = 0; j < 144; ++j)
        EXPECT_EQ(of_weights[weight_layout(j, l, 0)], expected.b_scales.at(j / 128, l / 128));
    }
  }
  EXPECT_EQ(blocks.alpha, 1);
}

}  // namespace
}  // namespace moecal::kernels
