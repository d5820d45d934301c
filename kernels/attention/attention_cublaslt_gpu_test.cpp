// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/attention/attention.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"

// The real cuBLASLt and the softmax kernel on the first device against the oracle.
namespace moecal::kernels {
namespace {

class AttentionOnGpu : public testing::TestWithParam<Dtype> {};

TEST_P(AttentionOnGpu, EqualsTheOracle) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  for (const bool causal : {true, false})
    for (const std::int64_t sequence : {1, 33, 128, 1000, 4096})
      for (const std::int64_t kv_heads : {1, 4}) {
        const AttentionShape shape{2, sequence, 4, kv_heads, 64, causal, GetParam()};
        check_attention_cublaslt(shape, 0);
        const auto operands = make_attention_operands(shape, 7);
        const auto attention = make_attention_cublaslt({shape, operands, 2});
        const CudaStream stream;
        for (const int set : {1, 0, 0}) attention->launch(set, stream.get());
        const auto checked = check_attention(shape, operands, attention->result());
        EXPECT_LE(checked.max_rel_error, checked.tolerance)
            << "sequence " << sequence << ", kv_heads " << kv_heads << ", causal " << causal;
      }
}
INSTANTIATE_TEST_SUITE_P(Types, AttentionOnGpu,
                         testing::Values(Dtype::f32, Dtype::f16, Dtype::bf16));

}  // namespace
}  // namespace moecal::kernels
