// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"

// CUTLASS's kernels on the first device against the oracle.
namespace moecal::kernels {
namespace {

struct Groups {
  std::int64_t groups, m, n, k;
};

GroupedGemmProblem problem_of(const std::string& family, const Groups& groups) {
  return grouped_gemm_problem(
      {{"groups", groups.groups}, {"m", groups.m}, {"n", groups.n}, {"k", groups.k}},
      expert_gemm_dtypes(family), {.distribution = "power_law"});
}

/// Kernel and family.
class CutlassOnGpu : public testing::TestWithParam<std::pair<std::string, std::string>> {};

// Group sizes below, at and above a tile's; with 64 groups of one row each some are empty.
TEST_P(CutlassOnGpu, EqualsTheOracle) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  const auto& [kernel, family] = GetParam();
  for (const auto& groups : {Groups{1, 1, 16, 16}, Groups{64, 1, 128, 64}, Groups{5, 33, 136, 272},
                             Groups{4, 128, 256, 128}, Groups{3, 129, 264, 1040}}) {
    const auto problem = problem_of(family, groups);
    try {
      check_grouped_gemm_cutlass(kernel, problem, 0);
    } catch (const Unsupported& reason) {
      GTEST_SKIP() << reason.what();
    }
    const auto operands = make_grouped_gemm_operands(problem, 7);
    const auto gemm = make_grouped_gemm_cutlass(kernel, {problem, operands, 2});
    const CudaStream stream;
    for (const int set : {1, 0, 0}) gemm->launch(set, stream.get());
    const auto checked = check_grouped_product(problem, operands, gemm->result());
    EXPECT_LE(checked.max_rel_error, checked.tolerance)
        << "groups " << groups.groups << " m " << groups.m << " n " << groups.n << " k "
        << groups.k;
    EXPECT_THAT(gemm->library().algorithm, testing::HasSubstr("tile="));
  }
}
INSTANTIATE_TEST_SUITE_P(Kernels, CutlassOnGpu,
                         testing::Values(std::pair{"cutlass_sm80", "f16"},
                                         std::pair{"cutlass_sm80", "bf16"},
                                         std::pair{"cutlass_sm90a", "fp8_e4m3"},
                                         std::pair{"cutlass_sm100a", "fp8_e4m3"}));

}  // namespace
}  // namespace moecal::kernels
