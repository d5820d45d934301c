// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/expert_gemm/expert_gemm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "kernels/expert_gemm/testing/made_problems.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::kernels {
namespace {

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
}  // namespace
}  // namespace moecal::kernels
