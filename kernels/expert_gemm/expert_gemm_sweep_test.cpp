// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/expert_gemm/expert_gemm.hpp"

namespace moecal::kernels {
namespace {

bool has(const std::vector<ExpertGemmPoint>& points, const ExpertGemmShape& shape,
         const Dtypes& dtypes) {
  return std::any_of(points.begin(), points.end(), [&](const ExpertGemmPoint& point) {
    return point.shape == shape && point.dtypes == dtypes;
  });
}

bool has(const std::vector<ExpertGemmPoint>& points, const ExpertGemmShape& shape,
         const std::string& family) {
  return has(points, shape, expert_gemm_dtypes(family));
}

TEST(Sweep, HasEveryScaleModeInFull) {
  const auto full = full_sweep(true), planner = planner_sweep(true);
  for (const auto* types : {"fp8_e4m3/outer_vector", "fp8_e4m3/block_1x128",
                            "fp8_e4m3/block_128x128", "fp8_e4m3/mx", "int8/tensor"}) {
    EXPECT_TRUE(has(full, {256, 28672, 4096}, types)) << types;
    EXPECT_FALSE(has(planner, {256, 28672, 4096}, types)) << types;
    for (const std::int64_t rows : {16, 4096})
      EXPECT_TRUE(has(planner, {rows, 4096, 14336}, types)) << types;
  }
  EXPECT_TRUE(
      has(full, {4096, 2048, 1024}, Dtypes{"fp8_e4m3", "fp8_e4m3", "f16", "f32", "tensor", "TN"}));
  EXPECT_TRUE(
      has(full, {4096, 4096, 28672}, Dtypes{"fp8_e5m2", "fp8_e4m3", "bf16", "f32", "mx", "NN"}));
  EXPECT_TRUE(has(full, {28672, 4096, 4096},
                  Dtypes{"fp8_e5m2", "fp8_e4m3", "bf16", "f32", "tensor", "NT"}));
}

// What no point tells of, a fit of the planner's knows nothing of.
TEST(Sweep, HasOneOfEachVariantInPlanner) {
  const auto planner = planner_sweep(true), full = full_sweep(true);
  for (const auto& [shape, dtypes] : full)
    EXPECT_TRUE(std::ranges::any_of(planner,
                                    [&](const ExpertGemmPoint& point) {
                                      return point.dtypes == dtypes ||
                                             (dtypes.a == "fp8_e5m2" && dtypes.layout != "TN");
                                    }))
        << dtypes.a << " x " << dtypes.b << " -> " << dtypes.c << " " << dtypes.scale_mode << " "
        << dtypes.layout;
  for (const std::int64_t rows : {16, 4096}) {
    EXPECT_TRUE(has(planner, {rows, 4096, 14336},
                    Dtypes{"fp8_e4m3", "fp8_e4m3", "f16", "f32", "tensor", "TN"}));
    EXPECT_TRUE(has(planner, {rows, 14336, 4096}, expert_gemm_gradient_dtypes("f16", "NN")));
    EXPECT_TRUE(has(planner, {4096, 14336, rows}, expert_gemm_gradient_dtypes("f16", "NT")));
  }
}

TEST(Sweep, HoldsTheDocumentsShapesOnce) {
  const auto points = planner_sweep(true);
  EXPECT_TRUE(has(points, {256, 28672, 4096}, "bf16"));
  EXPECT_TRUE(has(points, {8192, 4096, 14336}, "fp8_e4m3"));
  const auto dgrad = expert_gemm_gradient_dtypes("bf16", "NN");
  const auto wgrad = expert_gemm_gradient_dtypes("bf16", "NT");
  EXPECT_EQ(dgrad, (Dtypes{"bf16", "bf16", "bf16", "f32", "none", "NN"}));
  EXPECT_TRUE(has(points, {256, 4096, 28672}, dgrad));
  EXPECT_TRUE(has(points, {28672, 4096, 256}, wgrad));
  EXPECT_FALSE(has(points, {28672, 4096, 256}, "bf16"));
  const auto fp8 = expert_gemm_gradient_dtypes("fp8_e4m3", "NN");
  EXPECT_EQ(fp8, (Dtypes{"fp8_e5m2", "fp8_e4m3", "bf16", "f32", "tensor", "TN"}));
  EXPECT_TRUE(has(points, {256, 4096, 28672}, fp8));
  EXPECT_TRUE(has(points, {28672, 4096, 256}, fp8));
  EXPECT_TRUE(has(points, {2156, 1024, 2048}, "fp8_e4m3"));
  EXPECT_TRUE(has(points, {9830, 2048, 512}, "f16"));
  EXPECT_TRUE(has(points, {16384, 8192, 4096}, "int8"));
  EXPECT_TRUE(has(full_sweep(true), {256, 24576 / 16, 8192}, "bf16"));
  const auto f16_dgrad = expert_gemm_gradient_dtypes("f16", "NN");
  EXPECT_TRUE(has(full_sweep(true), {4096, 512, 2048}, f16_dgrad));
  EXPECT_TRUE(has(full_sweep(true), {2048, 512, 4096}, expert_gemm_gradient_dtypes("f16", "NT")));
  EXPECT_FALSE(has(points, {4096, 512, 2048}, f16_dgrad));
  EXPECT_FALSE(has(points, {2048, 2048, 1024}, "f32"));
  EXPECT_FALSE(has(points, {307, 2048, 512}, "int8"));
  EXPECT_TRUE(has(full_sweep(true), {307, 2048, 512}, "int8"));
  EXPECT_TRUE(has(planner_sweep(false), {2048, 2048, 1024}, "f32")) << "what a CPU can do";
  for (std::size_t i = 0; i < points.size(); ++i)
    for (std::size_t j = i + 1; j < points.size(); ++j)
      ASSERT_FALSE(points[i].shape == points[j].shape && points[i].dtypes == points[j].dtypes);
}
}  // namespace
}  // namespace moecal::kernels
