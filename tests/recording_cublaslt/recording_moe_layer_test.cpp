// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/routing_bench.hpp"
#include "layers/moe_layer/moe_layer.hpp"
#include "tests/cuda_on_cpu/enqueue.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

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

bench::Case case_of(const Given& given) {
  bench::Case c;
  c.point = {{"tokens", given.tokens}, {"hidden", 96}, {"inter", 48},
             {"experts", 6},           {"top_k", 2},   {"tensor_parallel", 1},
             {"expert_parallel", 1}};
  c.dtypes = kernels::expert_gemm_dtypes(given.family);
  c.routing = {.distribution = "power_law", .capacity_factor = given.capacity};
  return c;
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
    fake_cublaslt().candidates.assign(8, {0.1, true});
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
  const MoeLayerData data_ = make_moe_layer_data(problem_, 1);
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
  EXPECT_THAT(layer->library().algorithm, HasSubstr(kernels::describe_rows(routing.expert_rows())));
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
    for (const auto rows : routing.expert_rows())
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
              HasSubstr(kernels::describe_rows(routing_.front().expert_rows())));
}

std::string name_of(const testing::TestParamInfo<Given>& given) {
  return given.param.family + "_" + std::to_string(given.param.tokens);
}
INSTANTIATE_TEST_SUITE_P(Layers, LayerInParts,
                         testing::Values(Given{"bf16", 2, 0}, Given{"fp8_e4m3", 3, 0}), name_of);
INSTANTIATE_TEST_SUITE_P(Layers, RecordedLayer,
                         testing::Values(Given{"bf16", 33, 0}, Given{"bf16", 50, 1.2},
                                         Given{"f32", 1, 0}, Given{"fp8_e4m3", 40, 0},
                                         Given{"fp8_e4m3", 31, 1.2}),
                         name_of);

}  // namespace
}  // namespace moecal::layers
