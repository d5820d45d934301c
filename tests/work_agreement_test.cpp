// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "bench/benchmark.hpp"
#include "calibration/operation_work.hpp"
#include "tests/kernel_benchmarks.hpp"

// A fit knows an operation's FLOPs and bytes from its point alone (calibration may not include
// kernels), a kernel states them beside its code: the two must be the same formula.
namespace moecal::bench {
namespace {

class WorkAgreement : public testing::TestWithParam<std::unique_ptr<Benchmark> (*)()> {};

TEST_P(WorkAgreement, OfKernelAndFitInEveryCase) {
  const auto benchmark = GetParam()();
  for (const auto& implementation : benchmark->implementations()) {
    const auto cases = benchmark->sweep(Suite::planner, implementation.backend, 1);
    const auto kind = calibration::kind_of_work(benchmark->operation(), implementation.name);
    ASSERT_FALSE(cases.empty());
    for (const auto& c : cases) {
      if (c.routing.capacity_factor > 0) continue;  // below
      const Work stated = benchmark->work_by(implementation, c);
      const Work fitted = calibration::work_of(kind, c.point, c.dtypes);
      SCOPED_TRACE(implementation.name + " " + c.dtypes.a);
      EXPECT_DOUBLE_EQ(stated.flops.value(), fitted.flops.value());
      EXPECT_DOUBLE_EQ(stated.read.value(), fitted.read.value());
      EXPECT_DOUBLE_EQ(stated.written.value(), fitted.written.value());
    }
  }
}

// A build without cuDNN has no fused implementation to compare.
TEST(FusedAttentionWork, HasNoScoresInMemory) {
  const auto benchmark = make_attention();
  for (const auto& c : benchmark->sweep(Suite::planner, "cuda", 1)) {
    const Work stated = benchmark->work_by({"cudnn_fused", "cuda"}, c);
    const Work fitted = calibration::work_of("fused_attention", c.point, c.dtypes);
    EXPECT_EQ(stated.flops, benchmark->work(c).flops);
    EXPECT_DOUBLE_EQ(stated.flops.value(), fitted.flops.value());
    EXPECT_DOUBLE_EQ(stated.read.value(), fitted.read.value());
    EXPECT_DOUBLE_EQ(stated.written.value(), fitted.written.value());
    EXPECT_LT(stated.written, benchmark->work(c).written);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, WorkAgreement,
                         testing::Values(make_attention, make_expert_gemm, make_grouped_gemm,
                                         make_host_adam, make_memory_copy, make_memory_stream,
                                         make_permute, make_quantize, make_swiglu, make_topk_gate,
                                         make_unpermute));

// The kernels count what their own draw drops, a fit what draws of that routing drop on average.
TEST(CapacityWorkAgreement, IsUpToTheDraw) {
  for (const auto& benchmark : {make_permute(), make_unpermute()}) {
    int compared = 0;
    for (const auto& c : benchmark->sweep(Suite::planner, "cuda", 1)) {
      if (c.routing.capacity_factor == 0) continue;
      ++compared;
      const auto operation = benchmark->operation();
      const auto moved = [](const Work& work) { return work.read + work.written; };
      const Work stated = benchmark->work(c);
      const Work fitted = calibration::work_of(operation, c.point, c.dtypes, c.routing);
      const Work undropped = calibration::work_of(operation, c.point, c.dtypes);
      EXPECT_NEAR(moved(stated) / moved(fitted), 1, 0.03) << operation;
      EXPECT_GT(moved(undropped) / moved(fitted), 1.2) << operation;
    }
    EXPECT_EQ(compared, 5);
  }
}

// A fit knows the distribution of a layer's routing, a measurement the rows of a draw.
TEST(LayerWorkAgreement, IsUpToTheDraw) {
  const auto benchmark = make_moe_layer();
  for (const auto& c : benchmark->sweep(Suite::planner, "cuda", 1)) {
    const Work stated = benchmark->work(c);
    const Work fitted = calibration::work_of("moe_layer", c.point, c.dtypes, c.routing);
    EXPECT_NEAR(stated.flops / fitted.flops, 1, 0.1) << c.point.at("tokens");
    EXPECT_NEAR(stated.read / fitted.read, 1, 0.1) << c.point.at("tokens");
    EXPECT_DOUBLE_EQ(stated.written.value(), fitted.written.value());
  }
}

}  // namespace
}  // namespace moecal::bench
