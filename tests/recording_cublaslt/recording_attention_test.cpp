// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/attention/attention.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"
#include "tests/thrown_message.hpp"

// The products that attention asks cuBLASLt for, computed by the fake as they were asked, around
// the softmax kernel's own text.
namespace moecal::kernels {
namespace {

using testing::HasSubstr;
using tests::fake_cublaslt;
using tests::fake_cuda;

class RecordedAttention : public testing::TestWithParam<AttentionShape> {
 protected:
  void SetUp() override {
    fake_cuda().devices = 1;
    fake_cuda().compute_major = 9;
    fake_cublaslt() = {};
    fake_cublaslt().candidates.assign(8, {0.1, true});
  }
  void TearDown() override {
    EXPECT_EQ(fake_cublaslt().live_objects, 0);
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }
  static inline const Stream kStream = reinterpret_cast<Stream>(0x5EA);
};

TEST_P(RecordedAttention, EqualsTheOracle) {
  const auto& shape = GetParam();
  check_attention_cublaslt(shape, 0);
  const auto operands = make_attention_operands(shape, 3);
  const auto attention = make_attention_cublaslt({shape, operands, 2});
  const auto before = check_attention(shape, operands, attention->result());
  EXPECT_GT(before.max_rel_error, before.tolerance) << "what was tried is no launch's result";
  attention->launch(1, kStream);
  attention->launch(0, kStream);
  attention->launch(0, kStream);
  const auto checked = check_attention(shape, operands, attention->result());
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
  const auto rows = attention_rows_to_check(shape);
  const auto of_rows = check_attention_rows(shape, operands, attention->result_rows(rows));
  EXPECT_LE(of_rows.max_rel_error, of_rows.tolerance);
  EXPECT_THAT(attention->library().algorithm, HasSubstr("unfused scores: id="));
}

TEST_P(RecordedAttention, IsTwoBatchedProductsOnTheStream) {
  const auto& shape = GetParam();
  const auto operands = make_attention_operands(shape, 3);
  const auto attention = make_attention_cublaslt({shape, operands, 1});
  fake_cublaslt().matmuls.clear();
  attention->launch(0, kStream);
  ASSERT_EQ(fake_cublaslt().matmuls.size(), 2u);
  for (const auto& product : fake_cublaslt().matmuls) {
    EXPECT_EQ(product.stream, kStream);
    EXPECT_EQ(product.operation.compute, CUBLAS_COMPUTE_32F);
    const auto& layout = product.d;
    const bool is_batched = layout.attributes.has(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
    EXPECT_EQ(is_batched, shape.batch * shape.kv_heads > 1);
    if (is_batched) {
      EXPECT_EQ(layout.attributes.get<std::int32_t>(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT),
                shape.batch * shape.kv_heads);
    }
    EXPECT_EQ(layout.columns, static_cast<std::uint64_t>(shape.heads / shape.kv_heads) *
                                  static_cast<std::uint64_t>(shape.sequence));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, RecordedAttention,
                         testing::Values(AttentionShape{2, 33, 4, 2, 16, true, Dtype::bf16},
                                         AttentionShape{1, 40, 3, 1, 8, false, Dtype::f16},
                                         AttentionShape{1, 1, 2, 2, 24, true, Dtype::f32},
                                         AttentionShape{3, 24, 2, 2, 32, false, Dtype::f32}));

TEST(AttentionOnCublaslt, SaysWhatItCannotDo) {
  EXPECT_THAT(thrown_message([] {
                check_attention_cublaslt({1, 65536, 1, 1, 64, true, Dtype::bf16}, 0);
              }),
              HasSubstr("sequences of up to 32768"));
}

}  // namespace
}  // namespace moecal::kernels
