// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/grouped_gemm/cutlass_groups.hpp"
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

struct KernelCase {
  CutlassKernel (*kernel)();
  std::string family;
};

class CutlassOnGpu : public testing::TestWithParam<KernelCase> {};

bool runs_on(const CutlassKernel& kernel, const CudaDevice& device) {
  const int capability = 10 * device.compute_major + device.compute_minor;
  return capability >= kernel.least_capability && capability <= kernel.most_capability;
}

// Group sizes below, at and above a tile's; with 64 groups of one row each some are empty.
TEST_P(CutlassOnGpu, EqualsTheOracle) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  const auto kernel = GetParam().kernel();
  if (!runs_on(kernel, found.devices[0]))
    GTEST_SKIP() << kernel.implementation << " is not for " << found.devices[0].name;
  for (const auto& groups : {Groups{1, 1, 16, 16}, Groups{64, 1, 128, 64}, Groups{5, 33, 136, 272},
                             Groups{4, 128, 256, 128}, Groups{3, 129, 264, 1040}}) {
    const auto problem = problem_of(GetParam().family, groups);
    check_grouped_gemm_cutlass(kernel.implementation, problem, 0);
    const auto operands = make_grouped_gemm_operands(problem, 7);
    const auto gemm = make_grouped_gemm_cutlass(kernel.implementation, {problem, operands, 2});
    const CudaStream stream;
    for (const int set : {1, 0, 0}) gemm->launch(set, stream.get());
    const auto checked =
        check_grouped_product(problem, operands, group_rows(problem, 0), gemm->result());
    EXPECT_LE(checked.max_rel_error, checked.tolerance)
        << "groups " << groups.groups << " m " << groups.m << " n " << groups.n << " k "
        << groups.k;
    EXPECT_THAT(gemm->library().algorithm, testing::HasSubstr("tile="));
    const auto rows = group_rows(problem, 2);
    gemm->redraw(0, rows);
    gemm->launch(0, stream.get());
    const auto again = check_grouped_product(problem, operands, rows, gemm->result());
    EXPECT_LE(again.max_rel_error, again.tolerance);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Kernels, CutlassOnGpu,
    testing::Values(KernelCase{cutlass_sm80_kernel, "f16"}, KernelCase{cutlass_sm80_kernel, "bf16"},
                    KernelCase{cutlass_sm90a_kernel, "fp8_e4m3"},
                    KernelCase{cutlass_sm90a_block_kernel, "fp8_e4m3/block_128x128"},
                    KernelCase{cutlass_sm90a_kernel, "f16"},
                    KernelCase{cutlass_sm90a_kernel, "bf16"},
                    KernelCase{cutlass_sm100a_kernel, "fp8_e4m3"},
                    KernelCase{cutlass_sm100a_kernel, "f16"},
                    KernelCase{cutlass_sm100a_kernel, "bf16"}));

}  // namespace
}  // namespace moecal::kernels
