// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/grouped_gemm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "bench/benchmark.hpp"
#include "core/element.hpp"
#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_grouped_gemm();
}

namespace moecal::kernels {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Groups {
  std::int64_t groups;
  std::int64_t m;
};

GroupedGemmProblem problem_of(const std::string& family, const Groups& groups,
                              const RoutingSpec& routing = {}) {
  return grouped_gemm_problem({{"groups", groups.groups}, {"m", groups.m}, {"n", 33}, {"k", 20}},
                              expert_gemm_dtypes(family), routing);
}

PeriodicMatrix column(const std::vector<float>& values) {
  auto matrix = zero_matrix(Dtype::f32, {static_cast<std::int64_t>(values.size()), 1});
  std::memcpy(matrix.data.data(), values.data(), matrix.data.size());
  return given_matrix(std::move(matrix));
}

TEST(GroupedGemmCpu, GivesEachGroupItsRowsAndItsWeights) {
  const auto problem = grouped_gemm_problem({{"groups", 3}, {"m", 1}, {"n", 2}, {"k", 1}},
                                            expert_gemm_dtypes("f32"), {});
  const ExpertGemmOperands operands{column({1, 2, 3}), column({10, 20, 0, 0, 100, 200})};
  std::vector<double> c(6);
  grouped_gemm_cpu(problem, operands, {2, 0, 1}, c);
  EXPECT_THAT(c, ElementsAre(10, 20, 20, 40, 300, 600));
}

/// Of one block along k.
ScaleGrid grid(const ScaleBlock& block, std::vector<float> scales) {
  return {block, static_cast<std::int64_t>(scales.size()), 1, std::move(scales)};
}

// Group 1 begins at row 4, the rows between being padding, with scales of its own on both sides.
TEST(GroupedGemmCpu, GivesEachGroupTheScalesOfItsBlocks) {
  const auto problem = grouped_gemm_problem({{"groups", 3}, {"m", 1}, {"n", 2}, {"k", 1}},
                                            expert_gemm_dtypes("fp8_e4m3/block_128x128"), {});
  const ExpertGemmOperands operands{.a = column({1, 2, 7, 7, 3, 7, 7, 7}),
                                    .b = column({10, 20, 0, 0, 100, 200}),
                                    .a_scales = grid({1, 128}, {1, 2, 9, 9, 4, 9, 9, 9}),
                                    .b_scales = grid({128, 128}, {0.5F, 9, 0.25F})};
  EXPECT_THAT(multiplied_rows(problem, {2, 0, 1}), ElementsAre(4, 0, 4));
  EXPECT_EQ(result_shape(problem, {2, 0, 1}).rows, 8);
  EXPECT_THAT(grouped_rows_to_check(problem, {2, 0, 1}), ElementsAre(0, 1, 4));
  std::vector<double> c(16, -1);
  grouped_gemm_cpu(problem, operands, {2, 0, 1}, c);
  EXPECT_THAT(c, ElementsAre(5, 10, 20, 40, -1, -1, -1, -1, 300, 600, -1, -1, -1, -1, -1, -1));
}

// 130 rows of weights are two rows of blocks: the second group's begin at the third.
TEST(GroupedGemmOperands, HaveBlocksThatEndWithTheirGroup) {
  const auto problem = grouped_gemm_problem({{"groups", 2}, {"m", 3}, {"n", 130}, {"k", 144}},
                                            expert_gemm_dtypes("fp8_e4m3/block_128x128"),
                                            {.distribution = "balanced"});
  const auto operands = make_grouped_gemm_operands(problem, 3);
  EXPECT_EQ(operands.a.scale * operands.b.scale, 1);
  EXPECT_GE(operands.a.rows, 8);
  EXPECT_EQ(operands.a_scales.rows, operands.a.rows);
  EXPECT_EQ(operands.b_scales.rows, 4);
  EXPECT_EQ(operands.b_scales.inner, 2);
  const auto second = group_operands(problem, operands, {3, 3}, 1);
  EXPECT_EQ(second.a_scales.at(0, 1), operands.a_scales.at(4, 1));
  EXPECT_EQ(second.b_scales.at(1, 1), operands.b_scales.at(3, 1));
  EXPECT_EQ(second.a.rows, 3);
}

TEST(GroupRows, ComeFromADrawOfEachSet) {
  const auto problem = problem_of("f32", {8, 100}, {.distribution = "power_law"});
  const auto rows = group_rows(problem, 0);
  EXPECT_EQ(rows, draw_routing({800, 8, 1}, problem.routing).counts);
  EXPECT_EQ(std::accumulate(rows.begin(), rows.end(), std::int64_t{0}), 800);
  EXPECT_NE(group_rows(problem, 1), rows);
  const auto limited = group_rows(
      problem_of("f32", {8, 100}, {.distribution = "power_law", .capacity_factor = 1}), 0);
  EXPECT_THAT(limited, testing::Each(testing::Le(100)));
  EXPECT_THAT(group_rows(problem_of("f32", {4, 7}, {.distribution = "balanced"}), 0),
              testing::Each(7));
}

TEST(GroupRows, ArePaddedGroupByGroup) {
  EXPECT_EQ(padded_rows({1, 0, 128, 129}, 128), 128 + 0 + 128 + 256);
  EXPECT_EQ(describe_rows({1, 0, 129}), "rows=130 padded_128=384 empty_groups=1");
  EXPECT_EQ(describe_rows({1, 0, 129}, 4), "rows=130 multiplied=136 padded_128=384 empty_groups=1");
  PaddingRange range, of_four{4};
  for (auto* each : {&range, &of_four}) {
    each->add({1, 0, 129});
    each->add({65, 65, 0});
    each->add({130, 0, 0});
  }
  EXPECT_EQ(range.describe(), "3 draws: padded_128=256..384 empty_groups=1..2");
  EXPECT_EQ(of_four.describe(),
            "3 draws: multiplied=132..136 padded_128=256..384 empty_groups=1..2");
}

TEST(GroupedGemmWork, CountsRoutedRowsAndTheWeightsOfGroupsThatHaveSome) {
  const auto problem = problem_of("bf16", {64, 1});  // 64 rows: some groups stay empty
  const auto rows = group_rows(problem, 0);
  const auto active = 64 - std::count(rows.begin(), rows.end(), 0);
  ASSERT_LT(active, 64);
  const auto work = grouped_gemm_work(problem);
  EXPECT_DOUBLE_EQ(work.flops.value(), 2.0 * 64 * 33 * 20);
  EXPECT_DOUBLE_EQ(work.read.value(), 2.0 * (64 * 20 + static_cast<double>(active) * 33 * 20));
  EXPECT_DOUBLE_EQ(work.written.value(), 2.0 * 64 * 33);
}

TEST(GroupedGemmProblem, NamesWhatIsWrong) {
  EXPECT_THAT(
      thrown_message([] {
        (void)grouped_gemm_problem({{"m", 1}, {"n", 1}, {"k", 1}}, expert_gemm_dtypes("f32"), {});
      }),
      HasSubstr("needs the number 'groups'"));
  EXPECT_THAT(thrown_message([] {
                (void)group_problem(problem_of("f32", {2, 1}), {2, 0}, 1);
              }),
              HasSubstr("group 1 has no rows"));
  auto gradient = expert_gemm_dtypes("f32");
  gradient.layout = "NN";
  EXPECT_THAT(
      thrown_message([&] {
        (void)grouped_gemm_problem({{"groups", 1}, {"m", 1}, {"n", 1}, {"k", 1}}, gradient, {});
      }),
      HasSubstr("grouped_gemm has the layout TN only, not 'NN'"));
}

class OnednnLoop : public testing::TestWithParam<std::string> {};

TEST_P(OnednnLoop, EqualsTheOracle) {
  for (const auto& groups : {Groups{1, 31}, Groups{5, 33}, Groups{64, 2}}) {
    const auto problem = problem_of(GetParam(), groups, {.distribution = "power_law"});
    try {
      check_grouped_gemm_onednn(problem);
    } catch (const Unsupported& reason) {
      GTEST_SKIP() << reason.what();
    }
    const auto operands = make_grouped_gemm_operands(problem, 3);
    const auto gemm = make_grouped_gemm_onednn({problem, operands, 2});
    gemm->launch(1, nullptr);
    gemm->launch(0, nullptr);
    const auto checked =
        check_grouped_product(problem, operands, group_rows(problem, 0), gemm->result());
    EXPECT_LE(checked.max_rel_error, checked.tolerance);
    EXPECT_THAT(gemm->library().algorithm, HasSubstr("padded_128="));
    for (const std::int64_t draw : {2, 3}) {
      const auto rows = group_rows(problem, draw);
      gemm->redraw(0, rows);
      gemm->launch(0, nullptr);
      const auto again = check_grouped_product(problem, operands, rows, gemm->result());
      EXPECT_LE(again.max_rel_error, again.tolerance) << "draw " << draw;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Types, OnednnLoop, testing::Values("f32", "bf16", "int8"));

TEST(GroupedGemmBenchmark, SaysWhichImplementationsReplayAGraph) {
  for (const auto& implementation : bench::make_grouped_gemm()->implementations())
    EXPECT_EQ(implementation.graph,
              implementation.name == "cublaslt_streams" ? "cuda_graph" : "none");
}

TEST(GroupedGemmTrial, VerifiesTheDrawThatTheFirstSetHas) {
  const auto world = make_single_rank_plane();
  bench::Context context{*world, -1};
  bench::Case c;
  c.point = {{"groups", 8}, {"m", 40}, {"n", 33}, {"k", 20}};
  c.dtypes = expert_gemm_dtypes("f32");
  c.routing.distribution = "power_law";
  c.routed = true;
  const auto trial = bench::make_grouped_gemm()->make_trial({"onednn_loop", "cpu"}, c, context);
  trial->prepare(2);
  EXPECT_FALSE(trial->keeps_draws());
  EXPECT_TRUE(trial->redraw(1, 2));
  EXPECT_TRUE(trial->redraw(0, 3));
  EXPECT_NE(group_rows(problem_of("f32", {8, 40}, c.routing), 3),
            group_rows(problem_of("f32", {8, 40}, c.routing), 0));
  for (const int set : {1, 0}) trial->launch(set, nullptr);
  const auto checked = trial->verify();
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
  EXPECT_THAT(trial->library().algorithm, HasSubstr("first draw: rows="));
  EXPECT_THAT(trial->library().algorithm, HasSubstr(" draws: padded_128="));
  c.routing.distribution = "balanced";
  const auto balanced = bench::make_grouped_gemm()->make_trial({"onednn_loop", "cpu"}, c, context);
  balanced->prepare(1);
  EXPECT_FALSE(balanced->redraw(0, 1)) << "all draws are alike";
}

// Results of more than 2^23 elements: some rows of each large group are looked at.
class LargeGroups : public testing::Test {
 protected:
  void SetUp() override {
    const auto gemm = make_grouped_gemm_onednn({problem_, operands_, 1});
    gemm->launch(0, nullptr);
    c_ = gemm->result();
    EXPECT_EQ(gemm->result_rows(checked_).data, chosen_rows(c_, checked_).data);
  }
  VerificationResult with_error_in(std::int64_t row) {
    auto wrong = chosen_rows(c_, checked_);
    const auto place = std::ranges::lower_bound(checked_, row) - checked_.begin();
    auto* bits = wrong.data.data() + (place * 4096 + 7) * 4;
    encode_element(Dtype::f32, decode_element(Dtype::f32, bits) + 8, bits);
    return check_grouped_product_rows(problem_, operands_, rows_, wrong);
  }
  const GroupedGemmProblem problem_ =
      grouped_gemm_problem({{"groups", 4}, {"m", 1100}, {"n", 4096}, {"k", 24}},
                           expert_gemm_dtypes("f32"), {.distribution = "power_law"});
  const ExpertGemmOperands operands_ = make_grouped_gemm_operands(problem_, 3);
  const std::vector<std::int64_t> rows_ = group_rows(problem_, 0);
  const std::vector<std::int64_t> checked_ = grouped_rows_to_check(problem_, rows_);
  HostMatrix c_;
};

TEST_F(LargeGroups, AreLookedAtFromTheFirstRowToTheLastOfEach) {
  EXPECT_LT(checked_.size(), 4400U);
  EXPECT_TRUE(std::ranges::is_sorted(checked_));
  std::int64_t first = 0;
  for (const auto count : rows_) {
    if (count == 0) continue;
    EXPECT_TRUE(std::ranges::binary_search(checked_, first));
    first += count;
    EXPECT_TRUE(std::ranges::binary_search(checked_, first - 1));
  }
  const auto result = check_grouped_product(problem_, operands_, rows_, c_);
  EXPECT_LE(result.max_rel_error, result.tolerance);
  EXPECT_EQ(result.method,
            "sampled+freivalds of " + std::to_string(checked_.size()) + " of 4400 rows");
}

TEST_F(LargeGroups, ShowOneWrongElementInWhatIsLookedAt) {
  for (const auto row : {checked_.front(), checked_[checked_.size() / 2], checked_.back()}) {
    const auto result = with_error_in(row);
    EXPECT_GT(result.max_rel_error, result.tolerance) << "row " << row;
  }
}

// A library may run another kernel for a group of other rows: none is left out.
TEST(OnednnLoopLibrary, NamesTheKernelOfEveryGroup) {
  const auto problem = problem_of("f32", {8, 100}, {.distribution = "power_law"});
  const auto operands = make_grouped_gemm_operands(problem, 3);
  const auto gemm = make_grouped_gemm_onednn({problem, operands, 1});
  const auto algorithm = gemm->library().algorithm;
  for (std::int64_t group = 0; group < 8; ++group) {
    const auto rows = group_rows(problem, 0)[static_cast<std::size_t>(group)];
    if (rows == 0) continue;
    const auto weights =
        make_packed_weights_onednn(problem.product, rows_of_matrix(operands.b, group * 33, 33));
    (void)weights->product(rows);
    EXPECT_THAT(algorithm, HasSubstr(weights->library().algorithm)) << rows << " rows";
  }
}

TEST(GroupedProductCheck, CatchesAGroupMultipliedWithItsNeighboursWeights) {
  const auto problem = problem_of("f32", {4, 16});
  const auto operands = make_grouped_gemm_operands(problem, 3);
  const auto rows = group_rows(problem, 0);
  const auto result_of = [&](const ExpertGemmOperands& given) {
    std::vector<double> c(64 * 33);
    grouped_gemm_cpu(problem, given, rows, c);
    auto matrix = zero_matrix(Dtype::f32, {64, 33});
    for (std::size_t i = 0; i < c.size(); ++i)
      encode_element(Dtype::f32, c[i], matrix.data.data() + 4 * i);
    return check_grouped_product(problem, operands, rows, matrix);
  };
  EXPECT_LE(result_of(operands).max_rel_error, product_tolerance(problem.product));
  auto shifted = operands;
  auto weights = operands.b.data.whole();
  std::rotate(weights.begin(), weights.begin() + 33 * 20 * 4, weights.end());
  shifted.b.data = PeriodicBytes{std::move(weights)};
  EXPECT_GT(result_of(shifted).max_rel_error, product_tolerance(problem.product));
}

}  // namespace
}  // namespace moecal::kernels
