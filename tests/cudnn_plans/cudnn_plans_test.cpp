// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "bench/benchmark.hpp"
#include "core/error.hpp"
#include "kernels/attention/cudnn_graph.hpp"
#include "kernels/attention/cudnn_library.hpp"
#include "tests/cudnn_plans/device_properties.hpp"
#include "tests/cudnn_plans/fake_driver.hpp"
#include "tests/kernel_benchmarks.hpp"
#include "tests/thrown_message.hpp"

// The real cuDNN plans and compiles attention for cards that are not here; the fake driver takes
// the code. Nothing is computed: that takes a GPU (attention_cudnn_gpu_test).
namespace moecal::kernels {
namespace {

using testing::HasSubstr;
using tests::CudnnCard;

/// Loaded before cuDNN, which then finds it under the driver's name.
MoecalFakeKernels fake_driver() {
  static void* const library = dlopen(MOECAL_FAKE_DRIVER, RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) throw Error{dlerror()};
  return reinterpret_cast<MoecalFakeKernels>(dlsym(library, "moecal_fake_kernels"));
}

class PlansOfCudnn : public testing::TestWithParam<CudnnCard> {
 protected:
  void SetUp() override {
    (void)fake_driver();
    try {
      (void)load_cudnn();
    } catch (const Unsupported& reason) {
      GTEST_SKIP() << reason.what();
    }
  }
  static std::unique_ptr<CudnnPlanner> planner(int most_plans = 1) {
    return make_cudnn_planner({GetParam().capability, tests::device_properties(GetParam())},
                              most_plans);
  }
};

/// Of each kind of attention that is measured the shortest and the longest sequence.
std::vector<AttentionShape> kinds_of_the_sweep() {
  using Kind = std::tuple<std::string, std::int64_t, std::int64_t, bool>;
  std::map<Kind, std::pair<AttentionShape, AttentionShape>> kinds;
  for (const auto& c : bench::make_attention()->sweep(bench::Suite::full, "cuda", 1)) {
    const auto& p = c.point;
    const AttentionShape shape{.batch = p.at("batch"),
                               .sequence = p.at("sequence"),
                               .heads = p.at("heads"),
                               .kv_heads = p.at("kv_heads"),
                               .head_size = p.at("head_size"),
                               .causal = p.at("causal") != 0,
                               .type = parse_dtype(c.dtypes.a)};
    const Kind kind{c.dtypes.a, shape.head_size, p.at("causal"), shape.heads == shape.kv_heads};
    auto& [least, most] = kinds.try_emplace(kind, shape, shape).first->second;
    if (shape.sequence < least.sequence) least = shape;
    if (shape.sequence > most.sequence) most = shape;
  }
  std::vector<AttentionShape> shapes;
  for (const auto& [kind, ends] : kinds) shapes.insert(shapes.end(), {ends.first, ends.second});
  return shapes;
}

TEST_P(PlansOfCudnn, AreMadeOfEveryKindInTheSweep) {
  const auto own = planner();
  const auto shapes = kinds_of_the_sweep();
  EXPECT_GE(shapes.size(), 20U);
  for (const auto& shape : shapes) {
    SCOPED_TRACE(std::to_string(shape.sequence) + " positions of " +
                 std::to_string(shape.head_size) + ", causal " + std::to_string(shape.causal));
    const auto& plans = own->graph_of(shape).plans();
    ASSERT_EQ(plans.size(), 1U);
    EXPECT_THAT(plans[0].name, testing::StartsWith("eng"));
    EXPECT_LT(plans[0].workspace_bytes, 1 << 20) << "scores in memory would be more";
    EXPECT_THAT(fake_driver()().last, testing::AllOf(HasSubstr("sdpa"), HasSubstr("flash")));
  }
}

TEST_P(PlansOfCudnn, UseTheCardsOwnInstructionsWhereSequencesAreLong) {
  (void)planner()->graph_of({1, 32768, 32, 8, 128, true, Dtype::bf16});
  EXPECT_THAT(fake_driver()().last, HasSubstr("_sm" + std::to_string(GetParam().capability) + "_"));
}

TEST_P(PlansOfCudnn, AreKeptByShape) {
  const auto own = planner();
  const AttentionShape shape{1, 256, 4, 2, 64, true, Dtype::f16};
  auto& graph = own->graph_of(shape);
  const int compiled = fake_driver()().count;
  EXPECT_EQ(&own->graph_of(shape), &graph);
  EXPECT_EQ(fake_driver()().count, compiled);
  auto other = shape;
  other.causal = false;
  EXPECT_NE(&own->graph_of(other), &graph);
  EXPECT_GT(fake_driver()().count, compiled);
}

TEST_P(PlansOfCudnn, AreAtMostAsManyAsAskedFor) {
  const AttentionShape shape{1, 128, 8, 2, 64, true, Dtype::bf16};
  EXPECT_EQ(planner(2)->graph_of(shape).plans().size(), 2U);
}

TEST_P(PlansOfCudnn, OfADeviceThatIsNotHereAreNotLaunched) {
  auto own = planner();
  auto& graph = own->graph_of({1, 128, 4, 2, 64, true, Dtype::f16});
  EXPECT_THAT(thrown_message([&] { graph.launch(0, {}, nullptr); }),
              HasSubstr("a device that is not here"));
}

TEST_P(PlansOfCudnn, AreRefusedWithAReason) {
  const auto own = planner();
  const auto refusal = [&](const AttentionShape& shape) {
    try {
      (void)own->graph_of(shape);
    } catch (const Unsupported& reason) {
      return std::string{reason.what()};
    }
    return std::string{"it was planned"};
  };
  EXPECT_THAT(refusal({1, 128, 4, 2, 64, true, Dtype::f32}),
              HasSubstr("takes f16 and bf16, not f32"));
  const auto odd = refusal({1, 128, 4, 2, 20, true, Dtype::f16});
  EXPECT_THAT(odd, testing::AllOf(HasSubstr("cuDNN has no fused attention for this: "),
                                  HasSubstr("multiple of 8")));
  EXPECT_THAT(odd, testing::Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(Cards, PlansOfCudnn,
                         testing::Values(tests::kA100, tests::kH100, tests::kB200),
                         [](const auto& card) {
                           return "sm" + std::to_string(card.param.capability);
                         });

TEST(CudnnOfOldCards, SaysWhyThereIsNoPlan) {
  (void)fake_driver();
  try {
    (void)load_cudnn();
  } catch (const Unsupported& reason) {
    GTEST_SKIP() << reason.what();
  }
  auto card = tests::kA100;
  card.name = "Tesla V100";
  card.capability = 70;
  const auto planner = make_cudnn_planner({70, tests::device_properties(card)}, 1);
  EXPECT_THAT(thrown_message([&] {
                (void)planner->graph_of({1, 128, 4, 4, 64, true, Dtype::f16});
              }),
              HasSubstr("cuDNN has no fused attention for this: "));
}

}  // namespace
}  // namespace moecal::kernels
