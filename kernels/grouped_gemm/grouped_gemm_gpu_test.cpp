// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"

// The real cuBLAS and cuBLASLt on the first device against the oracle.
namespace moecal::kernels {
namespace {

struct Groups {
  std::int64_t groups, m, n, k;
};

struct Library {
  std::string name;
  std::string family;
  void (*check)(const GroupedGemmProblem&, int);
  std::unique_ptr<GroupedGemm> (*make)(const GroupedGemmSetup&);
};

class LibraryOnGpu : public testing::TestWithParam<Library> {};

// Group sizes of one row and of many; with 64 groups of one row each some are empty.
TEST_P(LibraryOnGpu, EqualsTheOracle) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  for (const auto& [groups, m, n, k] : {Groups{1, 1, 16, 16}, Groups{64, 1, 128, 64},
                                        Groups{5, 33, 144, 272}, Groups{3, 129, 256, 1040}}) {
    const auto problem =
        grouped_gemm_problem({{"groups", groups}, {"m", m}, {"n", n}, {"k", k}},
                             expert_gemm_dtypes(GetParam().family), {.distribution = "power_law"});
    try {
      GetParam().check(problem, 0);
    } catch (const Unsupported& reason) {
      GTEST_SKIP() << reason.what();
    }
    const auto operands = make_grouped_gemm_operands(problem, 7);
    const auto gemm = GetParam().make({problem, operands, 2});
    const CudaStream stream;
    for (const int set : {1, 0, 1, 0}) gemm->launch(set, stream.get());
    const auto checked =
        check_grouped_product(problem, operands, group_rows(problem, 0), gemm->result());
    EXPECT_LE(checked.max_rel_error, checked.tolerance)
        << "groups " << groups << " m " << m << " n " << n << " k " << k;
    EXPECT_THAT(gemm->library().algorithm, testing::HasSubstr("rows="));
    const auto rows = group_rows(problem, 2);
    gemm->redraw(0, rows);
    gemm->launch(0, stream.get());
    const auto again = check_grouped_product(problem, operands, rows, gemm->result());
    EXPECT_LE(again.max_rel_error, again.tolerance);
  }
}

const Library kCublas{"cublas", "", check_grouped_gemm_cublas, make_grouped_gemm_cublas};
const Library kCublaslt{"cublaslt", "", check_grouped_gemm_cublaslt, make_grouped_gemm_cublaslt};

Library of(Library library, const char* family) {
  library.family = family;
  return library;
}
INSTANTIATE_TEST_SUITE_P(
    Libraries, LibraryOnGpu,
    testing::Values(of(kCublas, "f16"), of(kCublas, "bf16"), of(kCublas, "f32"),
                    of(kCublaslt, "f16"), of(kCublaslt, "bf16"), of(kCublaslt, "f32"),
                    of(kCublaslt, "fp8_e4m3"), of(kCublaslt, "fp8_e4m3/outer_vector"),
                    of(kCublaslt, "fp8_e4m3/block_1x128"), of(kCublaslt, "fp8_e4m3/block_128x128"),
                    of(kCublaslt, "fp8_e4m3/mx")),
    [](const auto& given) {
      auto name = given.param.name + "_" + given.param.family;
      std::ranges::replace(name, '/', '_');
      return name;
    });

}  // namespace
}  // namespace moecal::kernels
