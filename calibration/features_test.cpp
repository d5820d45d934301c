// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/features.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/operation_work.hpp"
#include "core/error.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::calibration {
namespace {

using testing::HasSubstr;

TEST(Features, OfHandComputedCalls) {
  const Dtypes bf16{"bf16", "bf16", "bf16", "", "", ""},
      fp8{"fp8_e4m3", "fp8_e4m3", "bf16", "", "", ""};
  const auto gemm = work_of("expert_gemm", {{"m", 2}, {"n", 3}, {"k", 5}}, fp8);
  EXPECT_EQ(gemm.flops.value(), 60);
  EXPECT_EQ(gemm.read.value(), 10 + 15);
  EXPECT_EQ(gemm.written.value(), 12);
  const auto copy = work_of("memory_copy", {{"bytes", 100}}, bf16);
  EXPECT_EQ(copy.read.value() + copy.written.value(), 200);
  const Point routed{{"tokens", 3}, {"hidden", 8}, {"experts", 4}, {"top_k", 2}};
  const auto permute = work_of("permute", routed, bf16);
  EXPECT_EQ(permute.read.value(), 3 * 16 + 6 * 4);
  EXPECT_EQ(permute.written.value(), 6 * 16);
  const auto unpermute = work_of("unpermute", routed, bf16);
  EXPECT_EQ(unpermute.read.value(), 6 * (16 + 4 + 4));
  EXPECT_EQ(unpermute.written.value(), 3 * 16);
  const auto gate = work_of("topk_gate", routed, bf16);
  EXPECT_EQ(gate.read.value(), 3 * 4 * 2);
  EXPECT_EQ(gate.written.value(), 6 * 12 + 9 * 8);
  EXPECT_EQ(inputs_of("all_reduce", {{"bytes", 77}}, bf16).size, 77);
}

TEST(Features, AnUnknownOperationMovesItsOneNumberAndNoProductOfSeveral) {
  const Dtypes f32{"f32", "", "", "", "", ""};
  EXPECT_EQ(inputs_of("swish", {{"elements", 24}}, f32).size, 96);
  EXPECT_THAT(thrown_message([&] {
                (void)inputs_of("swish", {{"tokens", 3}, {"hidden", 8}}, f32);
              }),
              HasSubstr("from its 2 numbers (hidden, tokens) is not known"));
  EXPECT_THROW((void)work_of("expert_gemm", {{"m", 2}, {"n", 3}}, f32), InvalidInput);
}

TEST(Features, OfAnExchangeWithExperts) {
  const Point point{{"tokens", 4096}, {"hidden", 2048}, {"experts", 128}, {"top_k", 8}};
  auto more_experts = point;
  more_experts["experts"] = 256;
  EXPECT_TRUE(is_call_of_system("moe_dispatch"));
  EXPECT_EQ(family_of("moe_combine", point), Family::exchange);
  const auto inputs = inputs_of("moe_dispatch", point, {"fp8_e4m3", "", "", "", "", ""});
  EXPECT_EQ(inputs.size, 4096);
  EXPECT_EQ(inputs.exchange.row, 2048 + 2048 / 128 * 4);
  const Dtypes bf16{"bf16", "", "", "", "", ""};
  EXPECT_EQ(work_of("moe_combine", point, bf16).sent.value(), 4096.0 * 8 * 4096);
  EXPECT_EQ(work_of("moe_combine", more_experts, bf16).sent.value(), 4096.0 * 8 * 4096);
  EXPECT_THROW((void)inputs_of("moe_combine",
                               {{"tokens", 4}, {"hidden", 8}, {"experts", 2}, {"top_k", 3}}, bf16),
               InvalidInput);
}
}  // namespace
}  // namespace moecal::calibration
