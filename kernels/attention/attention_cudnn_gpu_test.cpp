// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/attention/attention_cudnn.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"

// The real cuDNN on the first device against the oracle.
namespace moecal::kernels {
namespace {

class CudnnOnGpu : public testing::TestWithParam<Dtype> {
 protected:
  void SetUp() override {
    const auto found = find_cuda_devices();
    if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
    try {
      planner_ = make_attention_planner(0);
    } catch (const Unsupported& reason) {
      GTEST_SKIP() << reason.what();
    }
  }
  void expect_the_oracles(const AttentionShape& shape) {
    const auto operands = make_attention_operands(shape, 7);
    const auto attention = make_attention_cudnn({shape, operands, 2}, *planner_);
    const auto before = check_attention(shape, operands, attention->result());
    EXPECT_GT(before.max_rel_error, before.tolerance) << "what was tried is no launch's result";
    const CudaStream stream;
    for (const int set : {1, 0, 0}) attention->launch(set, stream.get());
    stream.synchronize();
    const auto checked = check_attention(shape, operands, attention->result());
    EXPECT_LE(checked.max_rel_error, checked.tolerance)
        << shape.sequence << " positions of " << shape.head_size << ", kv_heads " << shape.kv_heads
        << ", causal " << shape.causal << ", " << attention->library().algorithm;
    EXPECT_THAT(attention->library().algorithm, testing::StartsWith("fused eng"));
  }
  std::unique_ptr<CudnnPlanner> planner_;
};

TEST_P(CudnnOnGpu, EqualsTheOracle) {
  for (const bool causal : {true, false})
    for (const std::int64_t head_size : {32, 64, 128})
      for (const std::int64_t kv_heads : {1, 4})
        for (const std::int64_t sequence : {1, 33, 128, 1000})
          expect_the_oracles({2, sequence, 4, kv_heads, head_size, causal, GetParam()});
}

TEST_P(CudnnOnGpu, EqualsTheOracleInLongSequences) {
  for (const bool causal : {true, false})
    expect_the_oracles({1, 4096, 8, 2, 128, causal, GetParam()});
}

INSTANTIATE_TEST_SUITE_P(Types, CudnnOnGpu, testing::Values(Dtype::f16, Dtype::bf16));

}  // namespace
}  // namespace moecal::kernels
