// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/routing_bench.hpp"
#include "layers/moe_layer/moe_layer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"

// The layer's graph on the first device against the definition.
namespace moecal::layers {
namespace {

struct Given {
  std::string family;
  std::int64_t tokens;
  double capacity;
};

class LayerOnGpu : public testing::TestWithParam<Given> {};

bench::Case case_of(const Given& given) {
  bench::Case c;
  c.point = {{"tokens", given.tokens}, {"hidden", 256}, {"inter", 512},
             {"experts", 8},           {"top_k", 2},    {"tensor_parallel", 1},
             {"expert_parallel", 1}};
  c.dtypes = kernels::expert_gemm_dtypes(given.family);
  c.routing = {.distribution = "power_law", .capacity_factor = given.capacity};
  return c;
}

MoeLayerRouting routing_of(const bench::Case& c, const MoeLayerProblem& problem,
                           std::int64_t draw) {
  bench::SetRouting drawn{c, draw};
  auto logits = bench::gate_logits(problem.values, drawn.draw);
  return {std::move(drawn.draw), drawn.capacity, std::move(logits)};
}

TEST_P(LayerOnGpu, EqualsTheDefinition) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  const auto c = case_of(GetParam());
  const auto problem = moe_layer_problem(c.point, c.dtypes, c.routing);
  try {
    check_moe_layer_cublaslt(problem, 0);
  } catch (const Unsupported& reason) {
    GTEST_SKIP() << reason.what();
  }
  const auto data = make_moe_layer_data(problem, 1);
  std::vector<MoeLayerRouting> routing;
  for (int set = 0; set < 2; ++set) routing.push_back(routing_of(c, problem, set));
  const auto layer = make_moe_layer_cublaslt({problem, data, routing});
  const CudaStream stream;
  for (const int set : {1, 0, 1, 0}) layer->launch(set, stream.get());
  const auto checked = check_moe_layer(problem, data, routing.front(), layer->output());
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
  EXPECT_EQ(layer->gate_table().counts, routing.front().draw.counts);
  routing.front() = routing_of(c, problem, 2);
  layer->redraw(0, routing.front());
  layer->launch(0, stream.get());
  const auto again = check_moe_layer(problem, data, routing.front(), layer->output());
  EXPECT_LE(again.max_rel_error, again.tolerance);
  EXPECT_EQ(layer->gate_table().counts, routing.front().draw.counts);
  for (const auto& part : layer->parts()) part.launch(0, stream.get());
  stream.synchronize();
}

INSTANTIATE_TEST_SUITE_P(Layers, LayerOnGpu,
                         testing::Values(Given{"bf16", 1, 0}, Given{"bf16", 300, 1.2},
                                         Given{"f32", 64, 0}, Given{"fp8_e4m3", 300, 0},
                                         Given{"fp8_e4m3", 33, 1.2},
                                         Given{"fp8_e4m3/block_128x128", 300, 0},
                                         Given{"fp8_e4m3/block_128x128", 33, 1.2}),
                         [](const auto& given) {
                           auto name =
                               given.param.family + "_" + std::to_string(given.param.tokens);
                           std::ranges::replace(name, '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace moecal::layers
