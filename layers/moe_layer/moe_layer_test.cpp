// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/moe_layer/moe_layer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "bench/benchmark.hpp"
#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/routing_bench.hpp"
#include "layers/moe_layer/layer_buffers.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_moe_layer();
}

namespace moecal::layers {
namespace {

using testing::HasSubstr;

bench::Case case_of(const std::string& family, const RoutingSpec& routing = {},
                    std::int64_t tokens = 33) {
  bench::Case c;
  c.point = {{"tokens", tokens}, {"hidden", 48},         {"inter", 32},         {"experts", 8},
             {"top_k", 2},       {"tensor_parallel", 1}, {"expert_parallel", 1}};
  c.dtypes = kernels::expert_gemm_dtypes(family);
  c.routing = routing;
  c.routed = true;
  return c;
}

MoeLayerProblem problem_of(const bench::Case& c) {
  return moe_layer_problem(c.point, c.dtypes, c.routing);
}

std::vector<MoeLayerRouting> routing_of(const bench::Case& c, int sets) {
  std::vector<MoeLayerRouting> all;
  for (int set = 0; set < sets; ++set) {
    bench::SetRouting routing{c, set};
    all.push_back(
        {routing.draw, routing.capacity, bench::gate_logits(problem_of(c).values, routing.draw)});
  }
  return all;
}

PeriodicMatrix matrix(const MatrixShape& shape, const std::vector<float>& values) {
  auto result = zero_matrix(Dtype::f32, shape);
  std::memcpy(result.data.data(), values.data(), result.data.size());
  return given_matrix(std::move(result));
}

TEST(MoeLayerCpu, AddsUpItsExpertsGatedProducts) {
  // One number per token; expert 0 has gate 1, up 2, down 3; expert 1 gate -1, up 1, down 10.
  const MoeLayerProblem problem{1, 1, 1, 2, 2, Dtype::f32, Dtype::f32, {}};
  const MoeLayerData data{matrix({1, 1}, {2}), matrix({4, 1}, {1, 2, -1, 1}),
                          matrix({2, 1}, {3, 10})};
  MoeLayerRouting routing{{1, 2, 2, {1, 0}, {0.75F, 0.25F}, {1, 1}, {0, 1, 2}}, 0, {}};
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  const double first = 3 * (silu(2) * 4), second = 10 * (silu(-2) * 2);
  EXPECT_THAT(moe_layer_cpu(problem, data, routing, 0),
              testing::ElementsAre(testing::DoubleEq(0.25 * first + 0.75 * second)));
}

// Beside 448 a scale is 1 and 17 is rounded to 16. Expert 1's weights have scales of their own.
TEST(MoeLayerCpu, QuantizesWhatProductsOfBlocksAreGiven) {
  const MoeLayerProblem problem{1, 2, 1, 2, 1, Dtype::fp8_e4m3, Dtype::bf16, {}, "block_128x128"};
  const kernels::ScaleBlock block{128, 128};
  const MoeLayerData data{matrix({1, 2}, {448, 17}),
                          matrix({4, 2}, {9, 9, 9, 9, 0, 0.0625F, 0, 1}),
                          matrix({4, 1}, {9, 9, 3, 10}),
                          {block, 2, 1, {7, 0.5F}},
                          {block, 2, 1, {7, 2}}};
  const MoeLayerRouting routing{{1, 2, 1, {1}, {1}, {0, 1}, {0, 0, 1}}, 0, {}};
  const double activated = 0.5 / (1 + std::exp(-0.5)) * 8;  // of a gate of 0.5 and an up of 8
  const auto rounded =
      static_cast<double>(to_float(from_float<BFloat16>(static_cast<float>(activated))));
  const auto output = moe_layer_cpu(problem, data, routing, 0);
  EXPECT_NEAR(output[0], rounded * 3 * 2, 1e-5);
  EXPECT_NEAR(output[1], rounded * 10 * 2, 1e-5);
}

TEST(MoeLayerData, GivesEveryExpertScalesOfItsOwn) {
  const auto data = make_moe_layer_data(problem_of(case_of("fp8_e4m3/block_128x128")), 1);
  EXPECT_EQ(data.gate_up_scales.rows, 8) << "64 weights are one block";
  EXPECT_EQ(data.down_scales.rows, 8);
  EXPECT_NE(data.down_scales.at(0, 0), data.down_scales.at(1, 0));
  EXPECT_EQ(data.gate_up.scale * data.down.scale, 1);
  EXPECT_TRUE(make_moe_layer_data(problem_of(case_of("fp8_e4m3")), 1).down_scales.empty());
}

TEST(MoeLayerCpu, LeavesDroppedChoicesOut) {
  const MoeLayerProblem problem{2, 1, 1, 1, 1, Dtype::f32, Dtype::f32, {}};
  const MoeLayerData data{matrix({2, 1}, {2, 2}), matrix({2, 1}, {1, 1}), matrix({1, 1}, {1})};
  const MoeLayerRouting routing{{2, 1, 1, {0, 0}, {1, 1}, {2}, {0, 2}}, 1, {}};
  EXPECT_GT(moe_layer_cpu(problem, data, routing, 0)[0], 3);
  EXPECT_EQ(moe_layer_cpu(problem, data, routing, 1)[0], 0);
  EXPECT_EQ(routing.expert_rows(), std::vector<std::int64_t>{1});
}

TEST(MoeLayerWork, CountsRoutedRowsAndTheWeightsOfBusyExperts) {
  const auto c = case_of("bf16", {}, 2);  // at most 4 of 8 experts have a row
  const auto routing = routing_of(c, 1).front();
  const auto busy = 8 - std::count(routing.draw.counts.begin(), routing.draw.counts.end(), 0);
  const auto work = moe_layer_work(problem_of(c), routing);
  EXPECT_DOUBLE_EQ(work.flops.value(), 2.0 * 4 * 3 * 48 * 32);
  EXPECT_DOUBLE_EQ(work.read.value(), 2.0 * (static_cast<double>(busy) * 3 * 48 * 32 + 2 * 48));
  EXPECT_DOUBLE_EQ(work.written.value(), 2.0 * 2 * 48);
}

// Two tokens of 48 bf16 values with two choices each, of which a capacity of one takes two.
TEST(StepWorks, CountNoRowThatACapacityDrops) {
  const auto problem = problem_of(case_of("bf16", {}, 2));
  RoutingDraw draw{2, 8, 2, {0, 1, 0, 1}, {1, 1, 1, 1}, {2, 2, 0, 0, 0, 0, 0, 0}, {}};
  const auto all = step_works(problem, {draw, 0, {}});
  const auto taken = step_works(problem, {draw, 1, {}});
  const double row = 48 * 2, table = 4 * 4, weights = 4 * 4;
  EXPECT_EQ(all.at("permute").written.value(), 4 * row);
  EXPECT_EQ(taken.at("permute").written.value(), 2 * row);
  EXPECT_EQ(taken.at("permute").read.value(), 2 * row + table) << "every token is read";
  EXPECT_EQ(all.at("unpermute").read.value(), 4 * row + table + weights);
  EXPECT_EQ(taken.at("unpermute").read.value(), 2 * row + table + weights);
  EXPECT_EQ(taken.at("unpermute").written.value(), 2 * row) << "every token is written";
  EXPECT_EQ(taken.at("unpermute").flops.value(), 2.0 * 2 * 48);
}

TEST(MoeLayerProblem, NamesWhatIsWrong) {
  auto c = case_of("bf16");
  c.point["expert_parallel"] = 2;
  EXPECT_THAT(thrown_message([&] { (void)problem_of(c); }),
              HasSubstr("expert_parallel has to be 1"));
  c.point.erase("expert_parallel");
  EXPECT_THAT(thrown_message([&] { (void)problem_of(c); }),
              HasSubstr("needs the number 'expert_parallel'"));
  EXPECT_THROW((void)problem_of(case_of("int8")), Unsupported);
  EXPECT_THAT(thrown_message([&] { (void)problem_of(case_of("fp8_e4m3/mx")); }),
              HasSubstr("scale mode tensor or block_128x128 between bf16 values, not fp8_e4m3 x "
                        "fp8_e4m3 -> bf16 with scale mode mx"));
  EXPECT_THAT(thrown_message([] { check_moe_layer_onednn(problem_of(case_of("fp8_e4m3"))); }),
              HasSubstr("no FP8"));
}

/// The gate names a token's experts by weight, a draw in the order in which it drew them.
std::vector<std::int32_t> sorted_by_token(std::vector<std::int32_t> row_of) {
  for (auto token = row_of.begin(); token != row_of.end(); token += 2) std::sort(token, token + 2);
  return row_of;
}

// The gate's table, the products' groups and the exchange between devices come to the same rows.
TEST(OneDraw, GivesPermuteTheProductsAndTheExchangeTheSameCounts) {
  for (const double capacity : {0.0, 1.2}) {
    const RoutingSpec spec{.distribution = "power_law", .capacity_factor = capacity};
    const auto c = case_of("f32", spec, 64);
    const auto problem = problem_of(c);
    const auto data = make_moe_layer_data(problem, 1);
    const auto routing = routing_of(c, 1);
    const auto layer = make_moe_layer_onednn({problem, data, routing});
    layer->launch(0, nullptr);
    const auto table = layer->gate_table();
    const auto rows = routing.front().expert_rows();
    EXPECT_EQ(table.counts, routing.front().draw.counts);
    for (std::size_t expert = 0; expert < rows.size(); ++expert)
      EXPECT_EQ(table.offsets[expert + 1] - table.offsets[expert], rows[expert]);
    EXPECT_EQ(sorted_by_token(table.row_of),
              sorted_by_token(place_rows(routing.front().draw, routing.front().capacity)));
    if (capacity != 0) continue;
    // Rank 0 of 4 has the tokens of this draw, and two experts belong to each rank.
    const std::int64_t row_bytes = problem.hidden * 4;
    const auto exchange = collectives::draw_exchange({64, 8, 2}, spec, 4, row_bytes);
    for (std::size_t rank = 0; rank < 4; ++rank) {
      EXPECT_EQ(exchange.sends[0][rank].bytes, (rows[2 * rank] + rows[2 * rank + 1]) * row_bytes);
      EXPECT_EQ(exchange.sends[0][rank].at, table.offsets[2 * rank] * row_bytes);
    }
  }
}

class OnCpu : public testing::TestWithParam<std::string> {};

TEST_P(OnCpu, EqualsTheOracle) {
  for (const std::int64_t tokens : {1, 31, 33, 100})
    for (const double capacity : {0.0, 1.2}) {
      SCOPED_TRACE("tokens " + std::to_string(tokens));
      const auto c =
          case_of(GetParam(), {.distribution = "power_law", .capacity_factor = capacity}, tokens);
      const auto problem = problem_of(c);
      try {
        check_moe_layer_onednn(problem);
      } catch (const Unsupported& reason) {
        GTEST_SKIP() << reason.what();
      }
      const auto data = make_moe_layer_data(problem, 1);
      const auto routing = routing_of(c, 2);
      const auto layer = make_moe_layer_onednn({problem, data, routing});
      layer->launch(1, nullptr);
      layer->launch(0, nullptr);
      const auto checked = check_moe_layer(problem, data, routing.front(), layer->output());
      EXPECT_LE(checked.max_rel_error, checked.tolerance);
      EXPECT_EQ(checked.method, "full");
    }
}
INSTANTIATE_TEST_SUITE_P(Types, OnCpu, testing::Values("f32", "bf16"));

TEST(MoeLayerCheck, CatchesAWrongToken) {
  const auto c = case_of("f32");
  const auto problem = problem_of(c);
  const auto data = make_moe_layer_data(problem, 1);
  const auto routing = routing_of(c, 1);
  const auto layer = make_moe_layer_onednn({problem, data, routing});
  layer->launch(0, nullptr);
  auto output = layer->output();
  std::rotate(output.data.begin(), output.data.begin() + 48 * 4, output.data.end());
  const auto checked = check_moe_layer(problem, data, routing.front(), output);
  EXPECT_GT(checked.max_rel_error, checked.tolerance);
}

TEST(Parts, AreNamedInOrderAndMakeTheLayer) {
  const auto c = case_of("f32");
  const auto problem = problem_of(c);
  const auto data = make_moe_layer_data(problem, 1);
  const auto routing = routing_of(c, 1);
  const auto layer = make_moe_layer_onednn({problem, data, routing});
  std::vector<std::string> names;
  for (const auto& part : layer->parts()) {
    names.push_back(part.name);
    part.launch(0, nullptr);
  }
  const auto checked = check_moe_layer(problem, data, routing.front(), layer->output());
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
  EXPECT_THAT(names,
              testing::ElementsAre("gate", "permute", "gemm_1", "swiglu", "gemm_2", "unpermute"));
}

// What LayerBuffers holds: a part may go over no more bytes than a set is said to have.
TEST(Footprint, HasWhatLiesBetweenTheSteps) {
  for (const auto* family : {"f32", "bf16", "fp8_e4m3", "fp8_e4m3/block_128x128"}) {
    const auto problem = problem_of(case_of(family));
    const auto data = make_moe_layer_data(problem, 1);
    const auto routing = routing_of(case_of(family), 1);
    const LayerBuffers b{{problem, data, routing}, 0, Memory::Place::host};
    double between = 0;
    for (const auto* memory :
         {&b.logits, &b.expert_of, &b.weight_of, &b.counts, &b.offsets, &b.row_of, &b.rows,
          &b.first_scales, &b.projected, &b.activated, &b.second_scales, &b.results,
          &b.quantized_rows, &b.quantized_activated})
      between += static_cast<double>(memory->bytes());
    EXPECT_EQ(bytes_between(problem).value(), between) << family;
  }
  const auto benchmark = bench::make_moe_layer();
  const auto world = make_single_rank_plane();
  bench::Context context{*world, -1};
  const auto trial = benchmark->make_trial({"onednn", "cpu"}, case_of("f32"), context);
  const auto work = benchmark->work(case_of("f32"));
  const auto between = bytes_between(problem_of(case_of("f32")));
  EXPECT_DOUBLE_EQ(trial->footprint().value(), (work.read + work.written + between).value());
  EXPECT_GE(trial->allocated(), trial->footprint());
}

TEST(MoeLayerBenchmark, SaysWhichImplementationsReplayAGraph) {
  for (const auto& implementation : bench::make_moe_layer()->implementations())
    EXPECT_EQ(implementation.graph, implementation.backend == "cuda" ? "cuda_graph" : "none");
}

TEST(Trial, RunsFromSweepToVerification) {
  const auto benchmark = bench::make_moe_layer();
  const auto world = make_single_rank_plane();
  bench::Context context{*world, -1};
  const bench::Implementation onednn{"onednn", "cpu"};
  const auto trial = benchmark->make_trial(onednn, case_of("f32"), context);
  trial->prepare(2);
  trial->launch(1, nullptr);
  trial->launch(0, nullptr);
  EXPECT_FALSE(trial->keeps_draws());
  EXPECT_TRUE(trial->redraw(0, 2));
  trial->launch(0, nullptr);
  const auto after = trial->verify();
  EXPECT_LE(after.max_rel_error, after.tolerance);
  const auto parts = trial->parts();
  EXPECT_EQ(parts.size(), 6U);
  double flops = 0;
  for (const auto& part : parts) {
    EXPECT_GT(part.work.written.value(), 0) << part.name;
    if (part.name.starts_with("gemm")) flops += part.work.flops.value();
  }
  EXPECT_DOUBLE_EQ(flops, benchmark->work(case_of("f32")).flops.value());
  EXPECT_THAT(trial->filled_with(), HasSubstr("logits of the chosen from 2 on"));
}

}  // namespace
}  // namespace moecal::layers
