// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/attention.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/element.hpp"
#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "tests/device_array.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::kernels {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using SoftmaxKernel = tests::OnDevice;

std::vector<std::byte> bytes_of(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

PeriodicBytes given(const std::vector<float>& values) { return PeriodicBytes{bytes_of(values)}; }

std::vector<float> floats_of(Dtype type, const std::vector<std::byte>& bytes) {
  std::vector<float> values;
  for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(size_of(type)))
    values.push_back(static_cast<float>(decode_element(type, &bytes[at])));
  return values;
}

/// One head, two positions of one number each.
const AttentionShape kTiny{1, 2, 1, 1, 1, true, Dtype::f32};

TEST(AttentionCpu, WeighsValuesByTheSoftmaxOfScores) {
  auto shape = kTiny;
  shape.causal = false;
  // Scores of query 0: 0, 0; of query 1: 0, log 3.
  const AttentionOperands operands{given({0, 1}), given({0, std::log(3.0F)}), given({4, 8})};
  EXPECT_THAT(floats_of(Dtype::f32, attention_cpu(shape, operands)),
              ElementsAre(FloatNear(6, 1e-5F), FloatNear(7, 1e-5F)));
}

TEST(AttentionCpu, SeesNoLaterKeyIfCausal) {
  const AttentionOperands operands{given({5, 1}), given({0, std::log(3.0F)}), given({4, 8})};
  EXPECT_THAT(floats_of(Dtype::f32, attention_cpu(kTiny, operands)),
              ElementsAre(4, FloatNear(7, 1e-5F)));
}

TEST(AttentionCpu, DividesScoresByTheRootOfTheHeadSize) {
  const AttentionShape shape{1, 2, 1, 1, 4, false, Dtype::f32};
  // Query 1 by key 1: 2 log 3, over sqrt(4).
  const float root = std::sqrt(std::log(3.0F) / 2);
  const AttentionOperands operands{given({0, 0, 0, 0, root, root, root, root}),
                                   given({0, 0, 0, 0, root, root, root, root}),
                                   given({4, 0, 0, 1, 8, 0, 0, 1})};
  EXPECT_THAT(floats_of(Dtype::f32, attention_cpu(shape, operands)),
              ElementsAre(6, 0, 0, 1, FloatNear(7, 1e-5F), 0, 0, FloatNear(1, 1e-6F)));
}

TEST(AttentionCpu, SharesKeysAmongNeighbouringHeads) {
  const AttentionShape shape{2, 1, 4, 2, 1, true, Dtype::f32};
  const AttentionOperands operands{given({1, 1, 1, 1, 1, 1, 1, 1}), given({1, 1, 1, 1}),
                                   given({10, 20, 30, 40})};
  EXPECT_THAT(floats_of(Dtype::f32, attention_cpu(shape, operands)),
              ElementsAre(10, 10, 20, 20, 30, 30, 40, 40));
}

TEST(AttentionWork, HalvesArithmeticIfCausalAndCountsStoredScores) {
  AttentionShape shape{2, 100, 8, 2, 64, false, Dtype::bf16};
  const double scores = 2.0 * 8 * 100 * 100;
  const double queries = 2.0 * 8 * 100 * 64, keys = 2.0 * 2 * 100 * 64;
  const auto whole = attention_work(shape);
  EXPECT_DOUBLE_EQ(whole.flops.value(), 4 * scores * 64);
  EXPECT_DOUBLE_EQ(whole.read.value(), 2 * (queries + 2 * keys + 2 * scores));
  EXPECT_DOUBLE_EQ(whole.written.value(), 2 * (queries + 2 * scores));
  shape.causal = true;
  EXPECT_DOUBLE_EQ(attention_work(shape).flops.value(), 2 * scores * 64);
  EXPECT_DOUBLE_EQ(attention_work(shape).read.value(), 2 * (queries + 2 * keys + 1.5 * scores));
  EXPECT_DOUBLE_EQ(attention_memory(shape).value(), 2 * (2 * queries + 2 * keys + scores));
}

TEST(AttentionShape, NamesWhatIsWrong) {
  const auto message = [](const AttentionShape& shape) {
    return thrown_message([&] { check_shape(shape); });
  };
  EXPECT_THAT(message({1, 0, 8, 8, 64, true, Dtype::f32}), HasSubstr("sequence 0"));
  EXPECT_THAT(message({1, 8, 8, 3, 64, true, Dtype::f32}),
              HasSubstr("8 heads cannot share 3 heads of keys and values"));
  EXPECT_THAT(message({1, 8, 8, 8, 64, true, Dtype::int8}), HasSubstr("int8"));
}

TEST(AttentionCheck, CatchesWhatIsWrong) {
  const AttentionShape shape{2, 33, 4, 2, 16, true, Dtype::f32};
  const auto operands = make_attention_operands(shape, 5);
  auto result = attention_cpu(shape, operands);
  const auto right = check_attention(shape, operands, result);
  EXPECT_LE(right.max_rel_error, right.tolerance);
  EXPECT_EQ(right.method, "full");
  auto without_mask = shape;
  without_mask.causal = false;
  const auto wrong = check_attention(without_mask, operands, result);
  EXPECT_GT(wrong.max_rel_error, wrong.tolerance);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(&result[400], &nan, sizeof nan);
  EXPECT_GT(check_attention(shape, operands, result).max_rel_error, 1e30);
}

// The last row averages 1024 values of either sign: it is small beside the first, which is a value.
TEST(AttentionCheck, CatchesZerosInLateRows) {
  for (const Dtype type : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
    const AttentionShape shape{1, 1024, 1, 1, 16, true, type};
    const auto operands = make_attention_operands(shape, 5);
    auto result = attention_cpu(shape, operands);
    const auto right = check_attention(shape, operands, result);
    EXPECT_LE(right.max_rel_error, right.tolerance) << to_string(type);
    const auto row_bytes = shape.head_size * size_of(type);
    std::fill(result.end() - row_bytes, result.end(), std::byte{0});
    EXPECT_DOUBLE_EQ(check_attention(shape, operands, result).max_rel_error, 1) << to_string(type);
  }
}

TEST(AttentionCheck, TakesRowsOfZerosAndNothingElseInTheirPlace) {
  const AttentionShape shape{1, 1, 1, 1, 1, true, Dtype::f32};
  const AttentionOperands operands{given({1}), given({1}), given({0})};
  EXPECT_EQ(check_attention(shape, operands, bytes_of({0})).max_rel_error, 0);
  EXPECT_GT(check_attention(shape, operands, bytes_of({1e-30F})).max_rel_error, 1e30);
}

TEST(AttentionCheck, SamplesRowsOfLongSequences) {
  const AttentionShape shape{1, 2048, 4, 4, 64, false, Dtype::f32};
  const auto operands = make_attention_operands(shape, 5);
  const std::vector<std::byte> nothing(operands.queries.size());
  const auto checked = check_attention(shape, operands, nothing);
  EXPECT_EQ(checked.method, "sampled");
  EXPECT_GT(checked.max_rel_error, checked.tolerance);
  const auto rows = attention_rows_to_check(shape);
  EXPECT_EQ(rows.size(), 64U);
  EXPECT_EQ(rows.front(), 0);
  EXPECT_EQ(rows.back(), shape.query_rows() - 1);
}

// The operands go through several periods; one row of those looked at is wrong.
TEST(AttentionCheck, CatchesAWrongRowOfThoseItLooksAt) {
  const AttentionShape shape{1, 4096, 5, 5, 64, true, Dtype::f16};
  const auto operands = make_attention_operands(shape, 5);
  ASSERT_GT(operands.queries.size(), operands.queries.period());
  std::vector<std::byte> rows;
  for (const auto row : attention_rows_to_check(shape))
    for (const double value : attention_row_cpu(shape, operands, row)) {
      rows.resize(rows.size() + 2);
      encode_element(shape.type, value, rows.data() + rows.size() - 2);
    }
  const auto right = check_attention_rows(shape, operands, rows);
  EXPECT_LE(right.max_rel_error, right.tolerance);
  std::rotate(rows.begin() + 30 * 128, rows.begin() + 30 * 128 + 2, rows.begin() + 31 * 128);
  EXPECT_GT(check_attention_rows(shape, operands, rows).max_rel_error, right.tolerance);
}

/// Scores of any length are all between -8 and 8.
std::vector<float> varied_scores(const ScoreRows& rows) {
  std::vector<float> values(static_cast<std::size_t>(rows.rows * rows.sequence));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i * 2654435761U % 4096) / 256 - 8;
  return values;
}

/// A unit in the last place of a probability; sums of up to 32768 exponentials in f32.
float tolerance_of(Dtype type) {
  if (type == Dtype::f32) return 0x1p-18F;
  return type == Dtype::f16 ? 0x1p-10F : 0x1p-7F;
}

template <class T>
void expect_kernel_equals_oracle(const ScoreRows& rows, std::size_t gap) {
  std::vector<T> scores(gap);
  for (const float value : varied_scores(rows)) scores.push_back(from_float<T>(value));
  tests::DeviceArray<T> device{scores};
  softmax_rows_cuda(rows, device.data() + gap, nullptr);
  softmax_rows_cpu(rows, scores.data() + gap);
  const auto actual = device.host();
  for (std::size_t i = 0; i < scores.size(); ++i)
    ASSERT_NEAR(to_float(actual[i]), to_float(scores[i]), tolerance_of(rows.type))
        << "element " << i << " of " << rows.rows << " rows of " << rows.sequence << ", causal "
        << rows.causal << ", " << to_string(rows.type) << ", gap " << gap;
}

void expect_kernel_equals_oracle(ScoreRows rows, std::size_t gap = 0) {
  for (const bool causal : {false, true}) {
    rows.causal = causal;
    with_float_type(rows.type,
                    [&](auto zero) { expect_kernel_equals_oracle<decltype(zero)>(rows, gap); });
  }
}

TEST_F(SoftmaxKernel, EqualsOracle) {
  for (const Dtype type : {Dtype::f32, Dtype::f16, Dtype::bf16})
    for (const std::int64_t sequence : {1, 7, 8, 31, 33, 128, 257})
      for (const std::int64_t rows : {0, 1, 31, 66})
        expect_kernel_equals_oracle({rows, sequence, true, type});
}

TEST_F(SoftmaxKernel, EqualsOracleWhereARowTakesSeveralWarps) {
  for (const std::int64_t sequence : {1024, 1025, 2048, 4100, 8192})
    expect_kernel_equals_oracle({3, sequence, true, Dtype::bf16});
  expect_kernel_equals_oracle({2, kLongestScoreRow, true, Dtype::f16});
}

// Of whole chunks, of which a causal row sees each number of elements.
TEST_F(SoftmaxKernel, EqualsOracleWhereverAnAlignedRowIsCutOff) {
  for (const Dtype type : {Dtype::f32, Dtype::f16, Dtype::bf16})
    expect_kernel_equals_oracle({270, 264, true, type});
}

TEST_F(SoftmaxKernel, TakesScoresThatAreNotAligned) {
  for (const Dtype type : {Dtype::f32, Dtype::bf16})
    expect_kernel_equals_oracle({9, 64, true, type}, 1);
}

TEST_F(SoftmaxKernel, SaysWhichRowsAreTooLong) {
  EXPECT_THAT(thrown_message([] {
                softmax_rows_cuda({1, kLongestScoreRow + 1, true, Dtype::bf16}, nullptr, nullptr);
              }),
              HasSubstr("sequences of up to 32768, not 32769"));
}

}  // namespace
}  // namespace moecal::kernels
