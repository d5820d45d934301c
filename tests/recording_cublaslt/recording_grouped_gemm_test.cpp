// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "core/error.hpp"
#include "kernels/expert_gemm/cublaslt_scales.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recording_cublas.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::kernels {
namespace {

using testing::HasSubstr;
using tests::fake_cublas;
using tests::fake_cublaslt;
using tests::fake_cuda;

struct Given {
  std::string family;
  std::int64_t groups;
  std::int64_t m;
};

// Weights and summed indices of two blocks, the second of each smaller, where blocks have scales.
GroupedGemmProblem problem_of(const Given& given) {
  const bool blocks = given.family.find('/') != std::string::npos;
  return grouped_gemm_problem({{"groups", given.groups},
                               {"m", given.m},
                               {"n", blocks ? 144 : 32},
                               {"k", blocks ? 144 : 48}},
                              expert_gemm_dtypes(given.family), {.distribution = "power_law"});
}

class RecordedGroups : public testing::TestWithParam<Given> {
 protected:
  void SetUp() override {
    fake_cuda().devices = 1;
    fake_cuda().compute_major = problem_.product.scale_mode == "mx" ? 10 : 9;
    fake_cuda().graph_launches = 0;
    fake_cuda().graphs_are_empty = false;
    fake_cublas() = {};
    fake_cublaslt() = {};
    // Those of blocks are few and slow: each is some products on the CPU.
    const bool blocks = !operands_.a_scales.empty();
    fake_cublaslt().candidates.assign(blocks ? 2 : 8, {blocks ? 3.0 : 0.1, true});
  }
  void TearDown() override {
    EXPECT_EQ(fake_cublaslt().live_objects, 0);
    EXPECT_EQ(fake_cublas().live_handles, 0);
    EXPECT_EQ(fake_cuda().live_graphs, 0);
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }
  void expect_right(GroupedGemm& gemm) {
    gemm.launch(1, kStream);
    gemm.launch(0, kStream);
    expect_right_of(gemm, rows_);
    for (const std::int64_t draw : {2, 3}) {
      const auto rows = group_rows(problem_, draw);
      gemm.redraw(0, rows);
      gemm.launch(0, kStream);
      expect_right_of(gemm, rows);
    }
  }
  void expect_right_of(const GroupedGemm& gemm, const std::vector<std::int64_t>& rows) {
    const auto checked = check_grouped_product(problem_, operands_, rows, gemm.result());
    EXPECT_LE(checked.max_rel_error, checked.tolerance);
  }

  void expect_wrong_of(const GroupedGemm& gemm, const std::vector<std::int64_t>& rows) {
    const auto checked = check_grouped_product(problem_, operands_, rows, gemm.result());
    EXPECT_GT(checked.max_rel_error, checked.tolerance);
  }

  static inline const Stream kStream = reinterpret_cast<Stream>(0x5EA);
  const GroupedGemmProblem problem_ = problem_of(GetParam());
  const ExpertGemmOperands operands_ = make_grouped_gemm_operands(problem_, 9);
  const std::vector<std::int64_t> rows_ = group_rows(problem_, 0);
  const std::int64_t multiple_ = token_multiple(problem_.product.scale_mode);
  const std::size_t active_ =
      rows_.size() - static_cast<std::size_t>(std::count(rows_.begin(), rows_.end(), 0));
};

TEST_P(RecordedGroups, CublasltRunsAProductPerGroupInOneGraph) {
  const auto gemm = make_grouped_gemm_cublaslt({problem_, operands_, 2});
  EXPECT_EQ(fake_cuda().graph_launches, 2) << "of each set, before anything is timed";
  fake_cublaslt().matmuls.clear();
  expect_right(*gemm);
  EXPECT_EQ(fake_cuda().graph_launches, 2 + 4 + 2) << "and of each draw";
  fake_cublaslt().matmuls.clear();
  gemm->launch(0, kStream);
  EXPECT_TRUE(fake_cublaslt().matmuls.empty()) << "a launch is the graph's, not the library's";
  EXPECT_THAT(gemm->library().algorithm, HasSubstr(describe_rows(rows_, multiple_)));
}

TEST_P(RecordedGroups, CublasltHasLaunchedADrawsGraphWhenItIsFirstTimed) {
  const auto gemm = make_grouped_gemm_cublaslt({problem_, operands_, 2});
  const auto rows = group_rows(problem_, 2);
  fake_cuda().graph_launches = 0;
  gemm->redraw(0, rows);
  EXPECT_EQ(fake_cuda().graph_launches, 1);
  gemm->launch(0, kStream);
  expect_right_of(*gemm, rows);
}

TEST_P(RecordedGroups, CublasltIsRefusedWhereItsGraphComputesNothing) {
  const auto gemm = make_grouped_gemm_cublaslt({problem_, operands_, 2});
  fake_cuda().graphs_are_empty = true;
  gemm->launch(0, kStream);
  expect_wrong_of(*gemm, rows_);
  const auto rows = group_rows(problem_, 2);
  gemm->redraw(0, rows);
  gemm->launch(0, kStream);
  expect_wrong_of(*gemm, rows);
}

TEST_P(RecordedGroups, CublasHasNoResultBeforeItIsLaunched) {
  if (problem_.product.scale_mode != "none") return;
  const auto gemm = make_grouped_gemm_cublas({problem_, operands_, 1});
  expect_wrong_of(*gemm, rows_);
}

TEST_P(RecordedGroups, CublasltSpreadsTheGroupsOverStreamsWithWorkspacesOfTheirOwn) {
  fake_cublaslt().candidates.resize(1);  // one alone is not timed: every call is a group's
  const auto gemm = make_grouped_gemm_cublaslt({problem_, operands_, 1});
  std::map<cudaStream_t, std::set<void*>> workspaces;
  for (const auto& call : fake_cublaslt().matmuls) workspaces[call.stream].insert(call.workspace);
  EXPECT_EQ(workspaces.size(), std::min<std::size_t>(8, active_));
  std::set<void*> all;
  for (const auto& [stream, of_stream] : workspaces) {
    EXPECT_EQ(of_stream.size(), 1u);
    all.insert(of_stream.begin(), of_stream.end());
  }
  EXPECT_EQ(all.size(), workspaces.size());
}

TEST_P(RecordedGroups, CublasltTimesTheCandidatesOncePerShape) {
  fake_cublaslt().candidates = {{0.3, true}, {0.1, true}, {0.2, true}};
  const auto gemm = make_grouped_gemm_cublaslt({problem_, operands_, 1});
  EXPECT_THAT(gemm->library().algorithm, HasSubstr("id=101"));
  EXPECT_THAT(gemm->library().algorithm, HasSubstr("rank=2/3"));
  std::set<std::uint64_t> shapes;
  for (const auto rows : multiplied_rows(problem_, rows_))
    if (rows > 0) shapes.insert(std::bit_ceil(static_cast<std::uint64_t>(rows)));
  EXPECT_GE(fake_cublaslt().heuristics.size(), shapes.size());
  EXPECT_LE(fake_cublaslt().heuristics.size(), active_) << "a shape may come in two alignments";
  EXPECT_EQ(fake_cublaslt().heuristics.size() + static_cast<std::size_t>(fake_cublaslt().checks),
            active_)
      << "a group is timed, or takes what was chosen for its shape";
  for (const auto& heuristic : fake_cublaslt().heuristics) EXPECT_GE(heuristic.requested, 8);
}

TEST_P(RecordedGroups, CublasIsGivenEveryGroupThatHasRows) {
  if (problem_.product.scale_mode != "none") {
    EXPECT_THAT(thrown_message([&] { check_grouped_gemm_cublas(problem_, 0); }),
                HasSubstr("cuBLAS has no grouped product for fp8_e4m3"));
    EXPECT_THAT(thrown_message([&] { check_grouped_gemm_cublas(problem_, 0); }),
                HasSubstr("with scale mode " + problem_.product.scale_mode));
    return;
  }
  check_grouped_gemm_cublas(problem_, 0);
  const auto gemm = make_grouped_gemm_cublas({problem_, operands_, 2});
  EXPECT_EQ(fake_cublas().grouped.size(), 2u) << "of each set, before anything is timed";
  expect_right(*gemm);
  EXPECT_EQ(fake_cublas().stream, kStream);
  ASSERT_EQ(fake_cublas().grouped.size(), 2u + 4u + 2u) << "and of each draw";
  std::vector<std::int64_t> given;
  for (const auto& group : fake_cublas().grouped.back()) given.push_back(group.n);
  auto expected = group_rows(problem_, 3);
  std::erase(expected, 0);
  EXPECT_EQ(given, expected);
  EXPECT_EQ(gemm->library().runtime_version, "13.1.0");
  EXPECT_EQ(gemm->library().workspace_bytes, 32 << 20);
  for (const auto bytes : fake_cublas().workspaces_used) EXPECT_EQ(bytes, 32U << 20);
}

INSTANTIATE_TEST_SUITE_P(Types, RecordedGroups,
                         testing::Values(Given{"bf16", 4, 16}, Given{"f16", 12, 5},
                                         Given{"f32", 3, 1}, Given{"fp8_e4m3", 20, 3},
                                         Given{"fp8_e4m3/outer_vector", 5, 7},
                                         Given{"fp8_e4m3/block_1x128", 5, 7},
                                         Given{"fp8_e4m3/block_128x128", 12, 5},
                                         Given{"fp8_e4m3/mx", 3, 70}),
                         [](const auto& given) {
                           auto name = given.param.family;
                           std::ranges::replace(name, '/', '_');
                           return name;
                         });

// Rows of 128 16-bit values begin at multiples of 256 bytes: all groups are aligned alike.
TEST(CublasltGroups, ShareAChoiceWhereItIsTaken) {
  fake_cublaslt() = {};
  const auto problem =
      grouped_gemm_problem({{"groups", 3}, {"m", 100}, {"n", 128}, {"k", 128}},
                           expert_gemm_dtypes("bf16"), {.distribution = "balanced"});
  const auto operands = make_grouped_gemm_operands(problem, 9);
  fake_cublaslt().candidates = {{0.3, true}, {0.1, true}};
  auto gemm = make_grouped_gemm_cublaslt({problem, operands, 2});
  EXPECT_EQ(fake_cublaslt().heuristics.size(), 1u) << "of six groups in two sets";
  EXPECT_EQ(fake_cublaslt().checks, 5);
  fake_cublaslt().heuristics.clear();
  fake_cublaslt().candidates[1].most_rows = 99;
  gemm = make_grouped_gemm_cublaslt({problem, operands, 1});
  EXPECT_EQ(fake_cublaslt().heuristics.size(), 3u) << "what a check refuses is not shared";
}

TEST(CublasltGroups, SkipWhatTheCardCannotDo) {
  fake_cuda().compute_major = 8;
  EXPECT_THAT(thrown_message([] {
                check_grouped_gemm_cublaslt(problem_of({"fp8_e4m3", 4, 16}), 0);
              }),
              HasSubstr("needs compute capability 8.9"));
  fake_cuda().compute_major = 9;
  // Means that are no multiple of four: groups are padded to one, so it is no reason.
  check_grouped_gemm_cublaslt(problem_of({"fp8_e4m3/block_128x128", 4, 15}), 0);
  EXPECT_THAT(thrown_message([] {
                check_grouped_gemm_cublaslt(problem_of({"fp8_e4m3/mx", 4, 15}), 0);
              }),
              HasSubstr("with scale mode mx needs compute capability 10.0 or newer"));
  fake_cuda().compute_major = 10;
  EXPECT_THAT(thrown_message([] {
                check_grouped_gemm_cublaslt(problem_of({"fp8_e4m3/block_128x128", 4, 15}), 0);
              }),
              HasSubstr("with scale mode block_128x128 needs compute capability 9.0"));
  fake_cuda().compute_major = 9;
}

class ScalesOfGroups : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    fake_cuda().compute_major = GetParam() == "mx" ? 10 : 9;
    fake_cublaslt() = {};
    fake_cublaslt().candidates.resize(1);  // one alone is not timed: every call is a group's
  }
  /// Of the group that a call multiplies: the largest come first, and of equal ones the first.
  std::vector<std::size_t> order() const {
    std::vector<std::size_t> groups;
    for (std::size_t group = 0; group < rows_.size(); ++group)
      if (rows_[group] > 0) groups.push_back(group);
    std::ranges::stable_sort(groups,
                             [&](auto a, auto b) { return multiplied_[a] > multiplied_[b]; });
    return groups;
  }
  const GroupedGemmProblem problem_ = problem_of({"fp8_e4m3/" + GetParam(), 7, 9});
  const ExpertGemmOperands operands_ = make_grouped_gemm_operands(problem_, 9);
  const std::vector<std::int64_t> rows_ = group_rows(problem_, 0);
  const std::vector<std::int64_t> multiplied_ = multiplied_rows(problem_, rows_);
};

bool holds(const void* address, const std::vector<std::byte>& bytes) {
  return fake_cuda().owns(address, bytes.size()) &&
         std::memcmp(address, bytes.data(), bytes.size()) == 0;
}

// Every call points at its own group's scales, in the order that one product's have.
TEST_P(ScalesOfGroups, AreThoseOfTheGroupAlone) {
  const auto gemm = make_grouped_gemm_cublaslt({problem_, operands_, 1});
  const auto groups = order();
  ASSERT_GE(fake_cublaslt().matmuls.size(), groups.size());
  for (std::size_t call = 0; call < groups.size(); ++call) {
    const auto group = static_cast<std::int64_t>(groups[call]);
    auto product = group_problem(problem_, multiplied_, group);
    const auto plan = plan_cublaslt(product);
    const auto of_group = group_operands(problem_, operands_, multiplied_, group);
    const auto& recorded = fake_cublaslt().matmuls[call];
    const auto& attributes = recorded.operation.attributes;
    EXPECT_EQ(recorded.b.columns, static_cast<std::uint64_t>(product.shape.m));
    EXPECT_EQ(attributes.get<std::int32_t>(CUBLASLT_MATMUL_DESC_A_SCALE_MODE),
              plan.scale_modes.weights);
    EXPECT_EQ(attributes.get<std::int32_t>(CUBLASLT_MATMUL_DESC_B_SCALE_MODE),
              plan.scale_modes.tokens);
    const auto* weights = attributes.get<const void*>(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER);
    const auto* tokens = attributes.get<const void*>(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER);
    EXPECT_TRUE(
        holds(weights, arrange_scales(plan.scale_modes.weights, of_group.b, of_group.b_scales)));
    EXPECT_TRUE(
        holds(tokens, arrange_scales(plan.scale_modes.tokens, of_group.a, of_group.a_scales)));
    for (const auto* address : {weights, tokens})
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(address) % 16, 0u);
    EXPECT_EQ(recorded.alpha, 1);
  }
}

TEST_P(ScalesOfGroups, LieAsFarApartAsIsSaid) {
  const auto plan = plan_cublaslt(group_problem(problem_, {0, 12}, 1));
  for (const std::int64_t rows : {12, 128, 132}) {
    const auto grid = [&](Operand operand) {
      return make_scale_grid({scale_block(GetParam(), operand, 272), rows, 272, 1, true}, 1);
    };
    const PeriodicMatrix none;
    for (const auto& [mode, scales] : {std::pair{plan.scale_modes.tokens, grid(Operand::tokens)},
                                       std::pair{plan.scale_modes.weights, grid(Operand::weights)}})
      EXPECT_EQ(scale_stride(mode, rows, 272),
                static_cast<std::int64_t>(arrange_scales(mode, none, scales).size()))
          << rows << " rows";
  }
}

TEST_P(ScalesOfGroups, CountRoutedRowsAndSayWhatIsMultiplied) {
  const auto gemm = make_grouped_gemm_cublaslt({problem_, operands_, 1});
  EXPECT_EQ(grouped_gemm_work(problem_).flops.value(), 2.0 * 63 * 144 * 144);
  const bool padded = GetParam().starts_with("block");
  EXPECT_EQ(padded_rows(multiplied_, 1) > 63, padded);
  const auto algorithm = gemm->library().algorithm;
  EXPECT_THAT(algorithm, HasSubstr("rows=63 "));
  if (padded)
    EXPECT_THAT(algorithm,
                HasSubstr(" multiplied=" + std::to_string(padded_rows(multiplied_, 1)) + " "));
  else
    EXPECT_THAT(algorithm, testing::Not(HasSubstr("multiplied")));
}

INSTANTIATE_TEST_SUITE_P(Modes, ScalesOfGroups,
                         testing::Values("outer_vector", "block_1x128", "block_128x128", "mx"),
                         [](const auto& given) { return given.param; });

}  // namespace
}  // namespace moecal::kernels
