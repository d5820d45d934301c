// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/element.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/routing_bench.hpp"
#include "layers/moe_layer/moe_layer.hpp"
#include "tests/cuda_on_cpu/enqueue.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"
#include "tests/thrown_message.hpp"

// The layer as on a GPU: own kernels run on the CPU (tests/cuda_on_cpu), cuBLASLt and the CUDA
// runtime are doubles. What is captured runs when its graph is launched.
namespace moecal::layers {
namespace {

using testing::HasSubstr;
using tests::fake_cublaslt;
using tests::fake_cuda;

struct Given {
  std::string family;
  std::int64_t tokens;
  double capacity;
};

bool has_blocks(const Given& given) { return given.family.find('/') != std::string::npos; }

// Two blocks each way, the second smaller, where blocks have scales.
bench::Case case_of(const Given& given) {
  bench::Case c;
  c.point = {{"tokens", given.tokens},
             {"hidden", has_blocks(given) ? 144 : 96},
             {"inter", has_blocks(given) ? 144 : 48},
             {"experts", 6},
             {"top_k", 2},
             {"tensor_parallel", 1},
             {"expert_parallel", 1}};
  c.dtypes = kernels::expert_gemm_dtypes(given.family);
  c.routing = {.distribution = "power_law", .capacity_factor = given.capacity};
  return c;
}

/// Tokens whose blocks differ by powers of two, so that no scale is like its neighbour's.
PeriodicMatrix varied(const PeriodicMatrix& tokens) {
  auto values = zero_matrix(tokens.dtype, {tokens.rows, tokens.columns});
  std::vector<double> row(static_cast<std::size_t>(tokens.columns));
  for (std::int64_t token = 0; token < tokens.rows; ++token) {
    decode_row(tokens, token, row);
    for (std::size_t i = 0; i < row.size(); ++i)
      encode_element(tokens.dtype,
                     std::ldexp(row[i], static_cast<int>(token % 3) - static_cast<int>(i / 128)),
                     values.data.data() + (token * tokens.columns + static_cast<std::int64_t>(i)) *
                                              size_of(tokens.dtype));
  }
  return given_matrix(std::move(values));
}

MoeLayerData data_of(const Given& given, const MoeLayerProblem& problem) {
  auto data = make_moe_layer_data(problem, 1);
  if (has_blocks(given)) data.tokens = varied(data.tokens);
  return data;
}

class RecordedLayer : public testing::TestWithParam<Given> {
 protected:
  void SetUp() override {
    fake_cuda().devices = 1;
    fake_cuda().compute_major = 9;
    fake_cuda().graph_launches = 0;
    fake_cuda().graphs_are_empty = false;
    cuda_on_cpu::enqueue_with = [](Stream stream, const std::function<void()>& run) {
      if (!fake_cuda().run(stream, run)) throw Error{"a kernel is not part of the capture"};
    };
    fake_cublaslt() = {};
    // Those of blocks are few and slow: each is some products on the CPU.
    fake_cublaslt().candidates.assign(blocks_ ? 2 : 8, {blocks_ ? 3.0 : 0.1, true});
    for (int set = 0; set < 2; ++set) {
      bench::SetRouting routing{case_, set};
      routing_.push_back(
          {routing.draw, routing.capacity, bench::gate_logits(problem_.values, routing.draw)});
    }
  }
  void TearDown() override {
    cuda_on_cpu::enqueue_with = {};
    EXPECT_EQ(fake_cublaslt().live_objects, 0);
    EXPECT_EQ(fake_cuda().live_graphs, 0);
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }

  const bench::Case case_ = case_of(GetParam());
  const MoeLayerProblem problem_ = moe_layer_problem(case_.point, case_.dtypes, case_.routing);
  const MoeLayerData data_ = data_of(GetParam(), problem_);
  const bool blocks_ = has_blocks(GetParam());
  const std::int64_t multiple_ = blocks_ ? 4 : 1;
  std::vector<MoeLayerRouting> routing_;
};

TEST_P(RecordedLayer, EqualsTheOracle) {
  check_moe_layer_cublaslt(problem_, 0);
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  fake_cuda().graph_launches = 0;
  layer->launch(1, nullptr);
  layer->launch(0, nullptr);
  EXPECT_EQ(fake_cuda().graph_launches, 2);
  const auto checked = check_moe_layer(problem_, data_, routing_.front(), layer->output());
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
  EXPECT_EQ(checked.method, "full");
}

TEST_P(RecordedLayer, PlansItsProductsAnewForAnotherDraw) {
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  bench::SetRouting drawn{case_, 2};
  const MoeLayerRouting routing{drawn.draw, drawn.capacity,
                                bench::gate_logits(problem_.values, drawn.draw)};
  fake_cuda().graph_launches = 0;
  layer->redraw(0, routing);
  EXPECT_EQ(fake_cuda().graph_launches, 1) << "the first is not timed";
  layer->launch(0, nullptr);
  EXPECT_EQ(layer->gate_table().counts, routing.draw.counts);
  const auto checked = check_moe_layer(problem_, data_, routing, layer->output());
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
  EXPECT_THAT(layer->library().algorithm,
              HasSubstr(kernels::describe_rows(routing.expert_rows(), multiple_)));
}

// Every step ran on these buffers when the products' algorithms were chosen.
TEST_P(RecordedLayer, IsRefusedWhereItsGraphComputesNothing) {
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  fake_cuda().graphs_are_empty = true;
  for (const bool redrawn : {false, true}) {
    if (redrawn) layer->redraw(0, routing_.front());
    layer->launch(0, nullptr);
    const auto checked = check_moe_layer(problem_, data_, routing_.front(), layer->output());
    EXPECT_GT(checked.max_rel_error, checked.tolerance);
    EXPECT_NE(layer->gate_table().counts, routing_.front().draw.counts);
  }
}

TEST_P(RecordedLayer, TimesTheStepsOfADrawThatWasNotLaunchedOnItsOwnData) {
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  layer->redraw(0, routing_.front());
  const auto parts = layer->parts();
  parts.back().launch(0, nullptr);
  const auto checked = check_moe_layer(problem_, data_, routing_.front(), layer->output());
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
}

TEST_P(RecordedLayer, GivesTheProductsTheRowsThatTheGateCounts) {
  fake_cublaslt().candidates.resize(1);  // one alone is not timed: every call is an expert's
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  layer->launch(0, nullptr);
  EXPECT_EQ(layer->gate_table().counts, routing_.front().draw.counts);
  std::multiset<std::uint64_t> offered, multiplied;
  for (const auto& routing : routing_)
    for (const auto rows : multiplied_rows(first_product(problem_), routing.expert_rows()))
      if (rows > 0) offered.insert(static_cast<std::uint64_t>(rows));
  for (const auto& call : fake_cublaslt().matmuls) multiplied.insert(call.b.columns);
  // Both products of each set ran once and were captured once.
  EXPECT_EQ(multiplied.size(), 4 * offered.size());
  for (const auto rows : offered) EXPECT_EQ(multiplied.count(rows), 4 * offered.count(rows));
}

TEST_P(RecordedLayer, ChoosesAlgorithmsOnWhatTheStepsBeforeLeft) {
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  EXPECT_GT(fake_cublaslt().matmuls.size(), 0u);
  EXPECT_EQ(fake_cublaslt().products_of_zeros, 0) << "zeros draw less power";
}

// Where a group begins is the gate's to say, and the products' to know: they count alike.
TEST_P(RecordedLayer, PadsTheRowsOfAnExpertAsTheProductsWantIt) {
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  layer->launch(0, nullptr);
  const auto rows = routing_.front().expert_rows();
  const auto offsets = layer->gate_table().offsets;
  for (std::size_t expert = 0; expert < rows.size(); ++expert)
    EXPECT_EQ(offsets[expert + 1] - offsets[expert],
              (rows[expert] + multiple_ - 1) / multiple_ * multiple_);
  EXPECT_EQ(
      moe_layer_work(problem_, routing_.front()).flops.value(),
      6.0 * static_cast<double>(kernels::padded_rows(rows, 1) * problem_.hidden * problem_.inter));
}

TEST(LayerOfBlocks, IsSkippedOffHopper) {
  const auto c = case_of({"fp8_e4m3/block_128x128", 40, 0});
  fake_cuda().devices = 1;
  fake_cuda().compute_major = 10;
  EXPECT_THAT(thrown_message([&] {
                check_moe_layer_cublaslt(moe_layer_problem(c.point, c.dtypes, c.routing), 0);
              }),
              HasSubstr("with scale mode block_128x128 needs compute capability 9.0"));
  fake_cuda().compute_major = 9;
}

class LayerInParts : public RecordedLayer {};

TEST_P(LayerInParts, AreNamedInOrderAndCapturedManyTimesOver) {
  const auto layer = make_moe_layer_cublaslt({problem_, data_, routing_});
  std::vector<std::string> names;
  for (const auto& part : layer->parts()) {
    names.push_back(part.name);
    const int before = fake_cuda().graph_launches;
    part.launch(0, nullptr);
    EXPECT_EQ(fake_cuda().graph_launches, before + 1) << part.name;
    EXPECT_GT(part.calls, 1) << part.name;
  }
  const std::vector<std::string> plain{"gate",   "permute", "gemm_1",
                                       "swiglu", "gemm_2",  "unpermute"};
  const std::vector<std::string> fp8{"gate",   "permute",    "quantize_1", "gemm_1",
                                     "swiglu", "quantize_2", "gemm_2",     "unpermute"};
  EXPECT_EQ(names, problem_.quantizes() ? fp8 : plain);
  EXPECT_THAT(layer->library().algorithm,
              HasSubstr(kernels::describe_rows(routing_.front().expert_rows(), multiple_)));
}

std::string name_of(const testing::TestParamInfo<Given>& given) {
  auto name = given.param.family + "_" + std::to_string(given.param.tokens);
  std::ranges::replace(name, '/', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Layers, LayerInParts,
                         testing::Values(Given{"bf16", 2, 0}, Given{"fp8_e4m3", 3, 0},
                                         Given{"fp8_e4m3/block_128x128", 3, 0}),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Layers, RecordedLayer,
                         testing::Values(Given{"bf16", 33, 0}, Given{"bf16", 50, 1.2},
                                         Given{"f32", 1, 0}, Given{"fp8_e4m3", 40, 0},
                                         Given{"fp8_e4m3", 31, 1.2},
                                         Given{"fp8_e4m3/block_128x128", 40, 0},
                                         Given{"fp8_e4m3/block_128x128", 31, 1.2}),
                         name_of);

}  // namespace
}  // namespace moecal::layers
