// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/product_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/expert_gemm/testing/made_problems.hpp"

namespace moecal::kernels {
namespace {

class ProductCheck : public testing::TestWithParam<std::string> {
 protected:
  const ExpertGemmProblem problem_ = problem_of(GetParam(), {33, 1100, 64});
  const ExpertGemmOperands operands_ = make_expert_gemm_operands(problem_, 5);
  HostMatrix c_ = product_of(problem_, operands_);
  const double tolerance_ = product_tolerance(problem_);
};

TEST_P(ProductCheck, AcceptsTheRoundedProduct) {
  EXPECT_LE(full_error(problem_, operands_, c_), tolerance_);
  EXPECT_LE(sampled_error(problem_, operands_, c_, 256), tolerance_);
  EXPECT_LE(freivalds_error(problem_, operands_, c_), tolerance_);
}

TEST_P(ProductCheck, CatchesOneWrongElement) {
  // In the second block of columns; off by three times the typical value.
  auto* bits = c_.data.data() + (7 * 1100 + 1090) * size_of(problem_.c);
  const double typical = problem_.c == Dtype::int32  ? 8 * 63.0 * 63.0 / 3
                         : problem_.c == Dtype::int8 ? kInt8ResultDeviation
                                                     : 8.0 / 3;
  encode_element(problem_.c, decode_element(problem_.c, bits) + 3 * typical, bits);
  EXPECT_GT(full_error(problem_, operands_, c_), tolerance_);
  EXPECT_GT(freivalds_error(problem_, operands_, c_), tolerance_);
}

TEST_P(ProductCheck, CatchesATransposedOrShiftedResult) {
  std::rotate(c_.data.begin(), c_.data.begin() + size_of(problem_.c), c_.data.end());
  EXPECT_GT(full_error(problem_, operands_, c_), tolerance_);
  EXPECT_GT(sampled_error(problem_, operands_, c_, 256), tolerance_);
  EXPECT_GT(freivalds_error(problem_, operands_, c_), tolerance_);
}
INSTANTIATE_TEST_SUITE_P(Types, ProductCheck,
                         testing::Values("f32", "bf16", "f16", "int8", "fp8_e4m3", "f32 NN",
                                         "bf16 NT", "f16 TT", "int8/tensor",
                                         "fp8_e4m3/outer_vector", "fp8_e4m3/block_128x128",
                                         "fp8_e4m3/mx NT"),
                         name_of);

TEST(ProductCheckOfNan, IsAnError) {
  const auto problem = problem_of("f32", {4, 4, 4});
  const auto operands = make_expert_gemm_operands(problem, 5);
  auto c = product_of(problem, operands);
  encode_element(Dtype::f32, std::numeric_limits<double>::quiet_NaN(), c.data.data());
  EXPECT_TRUE(std::isinf(full_error(problem, operands, c)));
  EXPECT_TRUE(std::isinf(freivalds_error(problem, operands, c)));
}

// Rows of a result of 10^7 elements: looked at are the edges and a sample between them.
class LargeProductCheck : public testing::Test {
 protected:
  void SetUp() override {
    const auto gemm = make_expert_gemm_onednn({problem_, operands_, 1});
    gemm->launch(0, nullptr);
    c_ = gemm->result();
    rows_of_c_ = gemm->result_rows(rows_);
  }
  VerificationResult with_error_in(std::int64_t row, std::int64_t column) {
    auto wrong = c_;
    auto* bits = wrong.data.data() + (row * 512 + column) * 4;
    encode_element(Dtype::f32, decode_element(Dtype::f32, bits) + 4, bits);
    return check_product(problem_, operands_, wrong);
  }
  const ExpertGemmProblem problem_ = problem_of("f32", {20000, 512, 16});
  const ExpertGemmOperands operands_ = make_expert_gemm_operands(problem_, 5);
  const std::vector<std::int64_t> rows_ = rows_to_check(problem_);
  HostMatrix c_, rows_of_c_;
};

TEST_F(LargeProductCheck, LooksAtTheEdgesAndASampleOfTheRows) {
  EXPECT_LT(rows_.size(), 17000U);
  EXPECT_GT(rows_.size(), 16384U);
  EXPECT_TRUE(std::is_sorted(rows_.begin(), rows_.end()));
  for (std::int64_t i = 0; i < 256; ++i) {
    EXPECT_EQ(rows_[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(rows_[rows_.size() - 1 - static_cast<std::size_t>(i)], 19999 - i);
  }
  for (const auto& result : {check_product(problem_, operands_, c_),
                             check_product_rows(problem_, operands_, rows_of_c_)}) {
    EXPECT_LE(result.max_rel_error, result.tolerance);
    EXPECT_EQ(result.method,
              "sampled+freivalds of " + std::to_string(rows_.size()) + " of 20000 rows");
  }
}

TEST_F(LargeProductCheck, CatchesOneWrongElementInWhatItLooksAt) {
  const auto between = rows_[rows_.size() / 2];
  for (const auto row : {std::int64_t{0}, std::int64_t{255}, between, std::int64_t{19999}}) {
    const auto result = with_error_in(row, row == between ? 511 : 3);
    EXPECT_GT(result.max_rel_error, result.tolerance) << "row " << row;
  }
  std::int64_t unseen = 256;
  while (std::binary_search(rows_.begin(), rows_.end(), unseen)) ++unseen;
  const auto result = with_error_in(unseen, 3);
  EXPECT_LE(result.max_rel_error, result.tolerance) << "row " << unseen << " is not looked at";
}

TEST(RowsToCheck, AreAllOfSmallResults) {
  EXPECT_EQ(rows_to_check(problem_of("f32", {20000, 512, 8})).size(), 20000U) << "computed whole";
  EXPECT_EQ(rows_to_check(problem_of("f32", {16384, 512, 64})).size(), 16384U) << "2^23 elements";
  EXPECT_EQ(rows_to_check(problem_of("f32", {1500, 8192, 64})).size(), 1500U) << "few rows";
  EXPECT_LE(rows_to_check(problem_of("f32", {163840, 28672, 64})).size(), 5120U + 512U);
}

TEST(RowsToCheck, AreSharedByProductsThatAreCheckedTogether) {
  const auto of_one = problem_of("f32", {2048, 2048, 1024});
  EXPECT_EQ(rows_to_check(of_one).size(), 2048U);
  EXPECT_EQ(rows_to_check(problem_of("f32", {1, 2048, 1024}), 64).size(), 1U);
  const auto of_64 = rows_to_check(of_one, 64);
  EXPECT_LE(of_64.size(), 512U + 64U);
  EXPECT_EQ(of_64.front(), 0);
  EXPECT_EQ(of_64.back(), 2047);
}

TEST(RowsToCheck, HoldSomeOfATileOf64RowsWhereverItIs) {
  for (const std::int64_t m : {163840, 100003, 65537, 40000}) {
    const auto rows = rows_to_check(problem_of("f32", {m, 28672, 64}));
    ASSERT_LT(static_cast<std::int64_t>(rows.size()), m);
    for (std::int64_t offset = 0; offset + 64 <= m; ++offset) {
      const auto first = std::lower_bound(rows.begin(), rows.end(), offset);
      ASSERT_TRUE(first != rows.end() && *first < offset + 64) << "rows from " << offset;
    }
  }
}

TEST(ProductCheckMethod, DependsOnTheWork) {
  const auto small = problem_of("f32", {512, 512, 512});
  const auto large = problem_of("f32", {512, 512, 513});
  for (const auto& [problem, method] : {std::pair{small, "full"}, {large, "sampled+freivalds"}}) {
    const auto operands = make_expert_gemm_operands(problem, 5);
    const auto gemm = make_expert_gemm_onednn({problem, operands, 1});
    gemm->launch(0, nullptr);
    const auto result = check_product(problem, operands, gemm->result());
    EXPECT_EQ(result.method, method);
    EXPECT_LE(result.max_rel_error, result.tolerance);
  }
}
}  // namespace
}  // namespace moecal::kernels
