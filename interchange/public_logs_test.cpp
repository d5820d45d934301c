// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "interchange/testing/import_testing.hpp"

/// Every log of kernels and copies among the public data, row by row as counted by eye.
namespace moecal::interchange {
namespace {

struct PublicLog {
  const char* file;
  const char* card;  // empty: the log names it
  bool unlisted;
  const char* format;
  int rows;
  std::size_t measured, failed_or_skipped, refused;
  int not_imported;
};

class PublicLogs : public testing::TestWithParam<PublicLog> {};

TEST_P(PublicLogs, LoseNoRow) {
  if (public_data().empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder of public data";
  const auto& log = GetParam();
  ImportOptions options;
  options.card = log.card;
  options.unlisted = log.unlisted;
  const auto imported = import_file(public_data() + "/logs/" + log.file, options);
  EXPECT_EQ(imported.format, log.format);
  EXPECT_EQ(imported.rows_read, log.rows);
  std::size_t measured = 0;
  for (const auto& o : imported.observations) measured += o.outcome == Outcome::measured ? 1 : 0;
  EXPECT_EQ(measured, log.measured);
  EXPECT_EQ(imported.observations.size() - measured, log.failed_or_skipped);
  EXPECT_EQ(imported.refused.size(), log.refused) << testing::PrintToString(reasons(imported));
  int left_out = 0;
  for (const auto& [what, rows] : imported.not_imported) left_out += rows;
  EXPECT_EQ(left_out, log.not_imported);
}

INSTANTIATE_TEST_SUITE_P(
    Interchange, PublicLogs,
    testing::Values(
        // FP32, TF32, FP16 and BF16 at five sizes; moecal has no word for TF32.
        PublicLog{"ascend910b2_torch_gemm.txt", "", false, "torch-gemm", 20, 15, 0, 0, 5},
        PublicLog{"mi210-64gb_torch_gemm_with_cv.txt", "", false, "torch-gemm", 15, 15, 0, 0, 0},
        PublicLog{"bad_arc-b580_impossible_tflops.txt", "", false, "torch-gemm", 5, 0, 0, 5, 0},
        // 4 rows of f32, 4 of TF32, 4 of f16 with wrong results.
        PublicLog{"cutlass_profiler_csv_superbench_fixture.txt", "a100-sxm-80", false, "cutlass",
                  12, 4, 4, 0, 4},
        PublicLog{"deepgemm_h100_test_core.txt", "h100-sxm", false, "deepgemm", 11, 11, 0, 0, 0},
        // 12 + 9 accelerators, of which one has no figure and 14 are cards without a spec sheet.
        PublicLog{"mamf_bf16_fp8_a100_h100_h200_b200_b300_gb200_mi300x.txt", "", false, "mamf", 21,
                  6, 0, 1, 14},
        // 9 GEMMs and 24 AllReduces, one with a single digit; 24 rows of other tables.
        PublicLog{"azure_nd_h200_v5_gemm_hbm_nccl.txt", "", false, "azure-guide", 57, 32, 0, 1, 24},
        // 6 + 2 + 12 cells, one latency, 17 tests waived.
        PublicLog{"superbench_nvbandwidth.txt", "gh200", true, "nvbandwidth", 38, 20, 0, 0, 18},
        // Of each card 44 states in two ways and 19 skipped; the other card's 63 states.
        PublicLog{"nvbench_test_ref_gv100_gp100.txt.gz", "gv100", true, "nvbench", 170, 88, 19, 0,
                  63},
        PublicLog{"nvbench_test_ref_gv100_gp100.txt.gz", "gp100", true, "nvbench", 170, 88, 19, 0,
                  63}));

TEST(PublicLogs, ImpossibleRatesAreRefusedWithTheirLines) {
  if (public_data().empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder of public data";
  const auto path = public_data() + "/logs/bad_arc-b580_impossible_tflops.txt";
  for (const auto& card : {"", "b200-sxm"}) {
    ImportOptions options;
    options.card = card;
    const auto imported = import_file(path, options);
    ASSERT_EQ(imported.refused.size(), 5u);
    EXPECT_EQ(imported.refused[0].line, 4);
    EXPECT_EQ(imported.refused[4].line, 8);
  }
}

TEST(PublicLogs, TimesFollowFromTheFigures) {
  if (public_data().empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder of public data";
  const auto first = [](const std::string& file, const std::string& card, bool unlisted = false) {
    ImportOptions options;
    options.card = card;
    options.unlisted = unlisted;
    return import_file(public_data() + "/logs/" + file, options).observations.at(0).seconds();
  };
  // 2 * 1024^3 / 46.30e12
  EXPECT_NEAR(first("ascend910b2_torch_gemm.txt", ""), 4.638e-5, 1e-8);
  EXPECT_NEAR(first("cutlass_profiler_csv_superbench_fixture.txt", "a100-sxm-80"), 0.481022, 1e-9);
  // 2 * 64 * 7168 * 576 / 93e12; printed as 6 us
  EXPECT_NEAR(first("deepgemm_h100_test_core.txt", "h100-sxm"), 5.683e-6, 2e-9);
  // 2 * 1024 * 10240 * 5120 / 271.2e12
  EXPECT_NEAR(first("mamf_bf16_fp8_a100_h100_h200_b200_b300_gb200_mi300x.txt", ""), 3.959e-4, 1e-7);
  EXPECT_NEAR(first("azure_nd_h200_v5_gemm_hbm_nccl.txt", ""), 7.385e-6, 1e-9);
  // 512 MiB at 369.36 GB/s
  EXPECT_NEAR(first("superbench_nvbandwidth.txt", "gh200", true), 1.45352e-3, 1e-7);
}

}  // namespace
}  // namespace moecal::interchange
