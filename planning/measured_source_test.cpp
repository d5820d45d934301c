// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/measured_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planning/evaluate.hpp"

namespace moecal::planning {
namespace {

using testing::ElementsAre;

TEST(MeasuredSource, MapsCostFunctionsToOperations) {
  std::vector<std::string> asked;
  const MeasuredSource source{[&](const calibration::Query& query) -> calibration::Answer {
    EXPECT_TRUE(query.any_setting) << "there is nobody to ask";
    std::string text = query.operation + " " + query.dtype + " " + query.tier;
    for (const auto& [name, value] : query.point) text += " " + name + "=" + std::to_string(value);
    asked.push_back(text + " over " + std::to_string(query.group));
    return {{{1, 1, 1, "m", "measured", {}}}, ""};
  }};
  const Expression expression{
      "gemm(8, 9, 10, fp8) + grouped_gemm(1, 8, 9, 10, fp16) + grouped_gemm(2, 8.4, 9, 10, bf16)"
      " + gate(4, 8, 16, 2, bf16) + stream(100) + send_recv(5, ib) + all_reduce_nvls(6, 4, nvlink)"
      " + all_reduce(7, 1, nvlink)",
      {},
      "here"};
  const auto result = evaluate(expression, source);
  EXPECT_EQ(result.value, 8);
  EXPECT_EQ(result.calls[6].cost.parts[0].flags.size(), 1u);
  EXPECT_THAT(asked, ElementsAre("expert_gemm fp8_e4m3 intra k=10 m=8 n=9 over 1",
                                 "expert_gemm f16 intra k=10 m=8 n=9 over 1",
                                 "grouped_gemm bf16 intra groups=2 k=10 m=8 n=9 over 1",
                                 "expert_gemm bf16 intra k=16 m=4 n=8 over 1",
                                 "topk_gate  intra experts=8 tokens=4 top_k=2 over 1",
                                 "memory_copy  intra bytes=50 over 1",
                                 "send_recv bf16 inter bytes=5 over 2",
                                 "all_reduce bf16 intra bytes=6 over 4"));
}

std::vector<std::string> flags_of_attention_by(const std::string& implementation) {
  const MeasuredSource source{[&](const calibration::Query& query) -> calibration::Answer {
    EXPECT_EQ(query.operation, "attention");
    return {{{1, 1, 1, "m", "measured", {}, implementation}}, ""};
  }};
  const auto result = evaluate({"attn(1, 256, 32, 128, bf16)", {}, "here"}, source);
  return result.calls.at(0).cost.parts.at(0).flags;
}

TEST(MeasuredSource, SaysWhereAttentionIsMeasuredUnfused) {
  EXPECT_THAT(flags_of_attention_by("cublaslt_unfused"),
              ElementsAre(testing::HasSubstr("unfused: its scores go through memory")));
  EXPECT_THAT(flags_of_attention_by("transferred"), testing::SizeIs(1));
  EXPECT_THAT(flags_of_attention_by("cudnn_fused"), testing::IsEmpty());
  EXPECT_THAT(flags_of_attention_by("transferred_fused"), testing::IsEmpty());
}

}  // namespace
}  // namespace moecal::planning
