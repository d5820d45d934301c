// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/expert_gemm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/element.hpp"
#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::kernels {
namespace {

// `types`: a family, and a layout where it is not TN: "bf16", "bf16 NT".
ExpertGemmProblem problem_of(const std::string& types, const ExpertGemmShape& shape) {
  const auto space = types.find(' ');
  auto dtypes = expert_gemm_dtypes(types.substr(0, space));
  if (space != std::string::npos) dtypes.layout = types.substr(space + 1);
  return expert_gemm_problem({{"m", shape.m}, {"n", shape.n}, {"k", shape.k}}, dtypes);
}

std::string name_of(const testing::TestParamInfo<std::string>& types) {
  auto name = types.param;
  std::replace(name.begin(), name.end(), ' ', '_');
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

HostMatrix matrix_of(Dtype dtype, const MatrixShape& shape, const std::vector<double>& values) {
  auto matrix = zero_matrix(dtype, shape);
  for (std::size_t i = 0; i < values.size(); ++i)
    encode_element(dtype, values[i], matrix.data.data() + i * size_of(dtype));
  return matrix;
}

PeriodicMatrix operand_of(Dtype dtype, const MatrixShape& shape,
                          const std::vector<double>& values) {
  return given_matrix(matrix_of(dtype, shape, values));
}

// The oracle's product, rounded to the result's type.
HostMatrix product_of(const ExpertGemmProblem& problem, const ExpertGemmOperands& operands) {
  std::vector<double> c(static_cast<std::size_t>(problem.shape.m * problem.shape.n));
  expert_gemm_cpu(operands, c);
  return matrix_of(problem.c, {problem.shape.m, problem.shape.n}, c);
}

TEST(Oracle, MatchesATwoByThreeComputedByHand) {
  // A = [1 2; 3 4] (2 tokens), B = [1 0; 0 1; 5 6] (3 outputs), C = A B^T.
  const ExpertGemmOperands operands{operand_of(Dtype::f32, {2, 2}, {1, 2, 3, 4}),
                                    operand_of(Dtype::f32, {3, 2}, {1, 0, 0, 1, 5, 6})};
  std::vector<double> c(6);
  expert_gemm_cpu(operands, c);
  EXPECT_EQ(c, (std::vector<double>{1, 2, 17, 3, 4, 39}));
}

TEST(Oracle, ReadsEachOperandAsItIsStored) {
  // The same product: A = [1 2; 3 4; 0 7], or stored [k, m]; B = [1 0; 5 6], or stored [k, n].
  const auto a = operand_of(Dtype::f32, {3, 2}, {1, 2, 3, 4, 0, 7});
  const auto a_k_by_m = operand_of(Dtype::f32, {2, 3}, {1, 3, 0, 2, 4, 7});
  const auto b = operand_of(Dtype::f32, {2, 2}, {1, 0, 5, 6});
  const auto b_k_by_n = operand_of(Dtype::f32, {2, 2}, {1, 5, 0, 6});
  for (const auto& operands :
       {ExpertGemmOperands{a, b, false, false}, ExpertGemmOperands{a, b_k_by_n, false, true},
        ExpertGemmOperands{a_k_by_m, b_k_by_n, true, true},
        ExpertGemmOperands{a_k_by_m, b, true, false}}) {
    std::vector<double> c(6);
    expert_gemm_cpu(operands, c);
    EXPECT_EQ(c, (std::vector<double>{1, 17, 3, 39, 0, 42}));
  }
}

TEST(Operands, AreStoredAsTheLayoutSays) {
  const ExpertGemmShape shape{3, 5, 7};
  const auto shapes_of = [&](const std::string& types) {
    const auto operands = make_expert_gemm_operands(problem_of(types, shape), 1);
    EXPECT_EQ(operands.m(), 3);
    EXPECT_EQ(operands.n(), 5);
    EXPECT_EQ(operands.k(), 7);
    return std::vector<std::int64_t>{operands.a.rows, operands.a.columns, operands.b.rows,
                                     operands.b.columns};
  };
  EXPECT_EQ(shapes_of("f32"), (std::vector<std::int64_t>{3, 7, 5, 7}));
  EXPECT_EQ(shapes_of("f32 NN"), (std::vector<std::int64_t>{3, 7, 7, 5})) << "dY W";
  EXPECT_EQ(shapes_of("f32 NT"), (std::vector<std::int64_t>{7, 3, 7, 5})) << "dY^T X";
  EXPECT_EQ(shapes_of("f32 TT"), (std::vector<std::int64_t>{7, 3, 5, 7}));
}

TEST(Oracle, AppliesThePerTensorScales) {
  ExpertGemmOperands operands{operand_of(Dtype::fp8_e4m3, {1, 2}, {2, 4}),
                              operand_of(Dtype::fp8_e4m3, {1, 2}, {8, 16})};
  operands.a.scale = 0.5F;
  operands.b.scale = 0.25F;
  std::vector<double> c(1);
  expert_gemm_cpu(operands, c);
  EXPECT_DOUBLE_EQ(c[0], (16 + 64) * 0.125);
}

// Every token and weight is 1, so that c[0, 0] is the sum of the scales' products over k.
ExpertGemmOperands ones(std::int64_t rows, std::int64_t k) {
  const std::vector<double> values(static_cast<std::size_t>(rows * k), 1);
  return {operand_of(Dtype::fp8_e4m3, {rows, k}, values),
          operand_of(Dtype::fp8_e5m2, {rows, k}, values)};
}

std::vector<double> oracle_of(const ExpertGemmOperands& operands) {
  std::vector<double> c(static_cast<std::size_t>(operands.m() * operands.n()));
  expert_gemm_cpu(operands, c);
  return c;
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

TEST(Int8Results, AreScaledIntoTheirRange) {
  const auto problem = problem_of("int8/tensor", {16, 16, 4096});
  EXPECT_EQ(problem.c, Dtype::int8);
  const auto operands = make_expert_gemm_operands(problem, 3);
  double squares = 0;
  for (const double value : oracle_of(operands)) {
    EXPECT_LT(std::fabs(value), 127);
    squares += value * value;
  }
  EXPECT_NEAR(std::sqrt(squares / 256), kInt8ResultDeviation, 3);
}

TEST(Work, CountsFlopsAndEachOperandOnce) {
  const auto work = expert_gemm_work(problem_of("fp8_e4m3", {3, 5, 7}));
  EXPECT_DOUBLE_EQ(work.flops.value(), 210);
  EXPECT_DOUBLE_EQ(work.read.value(), 3 * 7 + 5 * 7);
  EXPECT_DOUBLE_EQ(work.written.value(), 2 * 3 * 5);
}

TEST(Problem, NamesWhatIsWrong) {
  const auto dtypes = expert_gemm_dtypes("f32");
  EXPECT_THAT(thrown_message([&] {
                (void)expert_gemm_problem({{"m", 1}, {"n", 1}}, dtypes);
              }),
              testing::HasSubstr("the point has no 'k'"));
  EXPECT_THAT(thrown_message([&] {
                (void)expert_gemm_problem({{"m", 0}, {"n", 1}, {"k", 1}}, dtypes);
              }),
              testing::HasSubstr("m is 0; it must be at least 1"));
  EXPECT_THROW((void)expert_gemm_dtypes("f64"), InvalidInput);
  EXPECT_THAT(thrown_message([] {
                (void)problem_of("f32 NH", {1, 1, 1});
              }),
              testing::HasSubstr("no layout 'NH'; known: TN NN NT TT"));
}

TEST(Problem, WithoutALayoutIsTn) {
  auto dtypes = expert_gemm_dtypes("f32");
  dtypes.layout = "";
  EXPECT_EQ(expert_gemm_problem({{"m", 1}, {"n", 1}, {"k", 1}}, dtypes).layout, "TN");
  EXPECT_EQ(type_names(problem_of("f32", {1, 1, 1})), "f32 x f32 -> f32");
  EXPECT_EQ(type_names(problem_of("f32 NT", {1, 1, 1})), "f32 x f32 -> f32 in layout NT");
}

class Onednn : public testing::TestWithParam<std::string> {};

TEST_P(Onednn, EqualsTheOracleAtAwkwardSizes) {
  for (const std::int64_t m : {1, 31, 33, 100})
    for (const auto& [n, k] : {std::pair{1, 1}, {33, 65}, {100, 7}, {128, 128}, {129, 255}}) {
      const auto problem = problem_of(GetParam(), {m, n, k});
      try {
        check_expert_gemm_onednn(problem);
      } catch (const Unsupported& error) {
        GTEST_SKIP() << error.what();
      }
      const auto operands = make_expert_gemm_operands(problem, 5);
      const auto gemm = make_expert_gemm_onednn({problem, operands, 2});
      gemm->launch(1, nullptr);
      gemm->launch(0, nullptr);
      EXPECT_LE(full_error(problem, operands, gemm->result()), product_tolerance(problem))
          << "m " << m << " n " << n << " k " << k;
    }
}
INSTANTIATE_TEST_SUITE_P(Types, Onednn,
                         testing::Values("f32", "bf16", "f16", "int8", "f32 NN", "f32 NT", "f32 TT",
                                         "bf16 NN", "bf16 NT", "int8 NT"),
                         name_of);

TEST(OnednnLibrary, SaysWhatRan) {
  const auto problem = problem_of("f32", {32, 32, 32});
  const auto operands = make_expert_gemm_operands(problem, 5);
  const auto library = make_expert_gemm_onednn({problem, operands, 1})->library();
  EXPECT_EQ(library.name, "oneDNN");
  EXPECT_THAT(library.runtime_version, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(library.algorithm, testing::ContainsRegex(".+ threads=[0-9]+"));
}

TEST(OnednnSupport, HasReasons) {
  EXPECT_THAT(thrown_message([] {
                check_expert_gemm_onednn(problem_of("fp8_e4m3", {16, 16, 16}));
              }),
              testing::HasSubstr("without scales"));
  auto fp8 = problem_of("fp8_e4m3", {16, 16, 16});
  fp8.scale_mode = "none";
  EXPECT_THAT(thrown_message([&] { check_expert_gemm_onednn(fp8); }),
              testing::HasSubstr("no matmul for fp8_e4m3 on CPUs"));
  EXPECT_THAT(thrown_message([] {
                check_expert_gemm_onednn(problem_of("f32", {1 << 20, 1 << 16, 1 << 16}));
              }),
              testing::HasSubstr("one call would take about"));
}

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
  }
  EXPECT_TRUE(
      has(full, {4096, 2048, 1024}, Dtypes{"fp8_e4m3", "fp8_e4m3", "f16", "f32", "tensor", "TN"}));
  EXPECT_TRUE(
      has(full, {4096, 4096, 28672}, Dtypes{"fp8_e5m2", "fp8_e4m3", "bf16", "f32", "mx", "NN"}));
  EXPECT_TRUE(has(full, {28672, 4096, 4096},
                  Dtypes{"fp8_e5m2", "fp8_e4m3", "bf16", "f32", "tensor", "NT"}));
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
