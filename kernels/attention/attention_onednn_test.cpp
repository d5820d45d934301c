// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/attention/attention.hpp"

namespace moecal::kernels {
namespace {

class OnednnAttention : public testing::TestWithParam<Dtype> {};

TEST_P(OnednnAttention, EqualsTheOracle) {
  for (const bool causal : {true, false})
    for (const std::int64_t sequence : {1, 33, 128})
      for (const std::int64_t kv_heads : {1, 2, 6}) {
        const AttentionShape shape{2, sequence, 6, kv_heads, 24, causal, GetParam()};
        try {
          check_attention_onednn(shape);
        } catch (const Unsupported& reason) {
          GTEST_SKIP() << reason.what();
        }
        const auto operands = make_attention_operands(shape, 7);
        const auto attention = make_attention_onednn({shape, operands, 2});
        attention->launch(1, nullptr);
        attention->launch(0, nullptr);
        attention->launch(0, nullptr);
        const auto checked = check_attention_rows(
            shape, operands, attention->result_rows(attention_rows_to_check(shape)));
        EXPECT_EQ(check_attention(shape, operands, attention->result()).max_rel_error,
                  checked.max_rel_error);
        EXPECT_LE(checked.max_rel_error, checked.tolerance)
            << "sequence " << sequence << ", kv_heads " << kv_heads << ", causal " << causal;
        EXPECT_THAT(attention->library().algorithm, testing::HasSubstr("unfused"));
      }
}
INSTANTIATE_TEST_SUITE_P(Types, OnednnAttention, testing::Values(Dtype::f32, Dtype::bf16));

TEST(OnednnAttentionTypes, AreThoseOfItsProducts) {
  EXPECT_THROW(check_attention_onednn({1, 8, 1, 1, 8, true, Dtype::f16}), Unsupported);
}

}  // namespace
}  // namespace moecal::kernels
