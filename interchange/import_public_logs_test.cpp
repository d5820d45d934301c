// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "interchange/testing/import_testing.hpp"

/// Real logs, where they are at hand: what each holds, counted by eye.
namespace moecal::interchange {
namespace {

struct PublicLog {
  const char* file;
  ImportOptions options;
  const char* format;
  int rows;
  std::size_t observations, refused;
  int left_out;
};

class PublicLogs : public testing::TestWithParam<PublicLog> {};

TEST_P(PublicLogs, LoseNoRow) {
  const auto data = public_data();
  if (data.empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder with public logs";
  const auto& log = GetParam();
  const auto imported = import_file(data + "/" + log.file, log.options);
  EXPECT_EQ(imported.format, log.format);
  EXPECT_EQ(imported.rows_read, log.rows);
  EXPECT_EQ(imported.observations.size(), log.observations);
  EXPECT_EQ(imported.refused.size(), log.refused) << testing::PrintToString(reasons(imported));
  int left_out = 0;
  for (const auto& [what, rows] : imported.not_imported) left_out += rows;
  EXPECT_EQ(left_out, log.left_out);
}

std::string test_name(const testing::TestParamInfo<PublicLog>& info) {
  auto name = std::filesystem::path{info.param.file}.stem().string();
  for (auto& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Interchange, PublicLogs,
    testing::Values(
        // Two measurements a row; two rows of size 0 in the third, five in the fourth.
        PublicLog{"logs/a100-64gb_leonardo_2r_sendrecv.txt", {}, "nccl-tests", 29, 58, 0, 0},
        PublicLog{"logs/mi250x-64gb_16r_all_reduce_small.txt",
                  {.card = "mi250x"},
                  "nccl-tests",
                  8,
                  16,
                  0,
                  0},
        PublicLog{"logs/superbench_a100-40gb_8r_allreduce.txt", {}, "nccl-tests", 34, 64, 2, 0},
        PublicLog{"logs/superbench_a100-40gb_8r_alltoall.txt", {}, "nccl-tests", 34, 58, 5, 0},
        PublicLog{"logs/mi250x-64gb_4n32r_all_gather_srunlabel.txt",
                  {.card = "mi250x"},
                  "nccl-tests",
                  6,
                  12,
                  0,
                  0},
        PublicLog{"logs/b200_gcp-a4_8r_all_reduce.txt", {}, "nccl-tests", 12, 12, 0, 0},
        PublicLog{"logs/b200_gke_2n16r_all_gather.txt", {}, "nccl-tests", 24, 48, 0, 0},
        PublicLog{"logs/aws_p5_h100_nccl-tests_readme_1.txt",
                  {.card = "h100-sxm"},
                  "nccl-tests",
                  29,
                  58,
                  0,
                  0},
        // The first row's numbers are lost between two ranks' output.
        PublicLog{"logs/mpich_prefixed_interleaved_h100.txt",
                  {.card = "h100-sxm"},
                  "nccl-tests",
                  11,
                  20,
                  1,
                  0},
        PublicLog{"logs/gh200_osu_alltoall_2n8r_cuda.txt",
                  {.card = "gh200", .unlisted = true},
                  "osu",
                  42,
                  42,
                  0,
                  0},
        PublicLog{"logs/hccl_test_format_sample.txt",
                  {.card = "ascend-910b", .operation = "all_reduce", .ranks = 8},
                  "hccl-test",
                  1,
                  1,
                  0,
                  0},
        PublicLog{"logs/h100_8r_torch_megatron_allreduce_tavg_min_max.txt",
                  {.card = "h100-sxm"},
                  "megatron",
                  10,
                  10,
                  0,
                  0},
        PublicLog{"logs/galvatron_sp_time_1nodes_8gpus_per_node.txt",
                  {.card = "a100-sxm-80"},
                  "galvatron",
                  66,
                  66,
                  0,
                  0},
        PublicLog{"logs/galvatron_allreduce_bandwidth_1nodes_8gpus_per_node.txt",
                  {},
                  "galvatron",
                  5,
                  0,
                  5,
                  0},
        PublicLog{"logs/galvatron_overlap_coefficient.txt", {}, "galvatron", 1, 0, 0, 1},
        // Each row times a dispatch and a combine.
        PublicLog{"dispatch/deepep_b200_ll.csv", {}, "aiconfigurator", 176, 352, 0, 0},
        PublicLog{"dispatch/deepep_h200_ll.csv", {}, "aiconfigurator", 176, 352, 0, 0},
        PublicLog{"dispatch/deepep_b200_normal.csv", {}, "aiconfigurator", 2484, 4968, 0, 0},
        PublicLog{"dispatch/deepep_h200_normal.csv", {}, "aiconfigurator", 2484, 4968, 0, 0},
        // Six rows of a dispatch and a combine; four rows of rates without a time.
        PublicLog{"logs/deepep_v1_h800_tables.txt",
                  {.card = "h800", .unlisted = true},
                  "deepep-tables",
                  10,
                  12,
                  0,
                  4},
        // Five numbers of GPUs on two nodes, each with NVLS and without.
        PublicLog{
            "logs/h200_b200_ml-eng_nvls_vs_ring_by_gpu_count.txt", {}, "nvls-table", 10, 20, 0, 0},
        // 20 sizes on 1 and on 4 nodes, and 11 rows of figures derived from them.
        PublicLog{"logs/b200_ml-eng_1n8r_4n32r_all_reduce_bench.txt",
                  {.card = "b200-sxm"},
                  "torch-allreduce",
                  51,
                  38,
                  2,
                  11}),
    test_name);

/// What the run of a log was.
struct NcclLog {
  const char* file;
  const char* card;
  std::size_t observations;
  const char* operation;
  int ranks, nodes;
};

TEST(NcclTests, RunsOfPublicLogsAreTold) {
  const auto data = public_data();
  if (data.empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder with public logs";
  const std::vector<NcclLog> logs{
      {"a100-64gb_leonardo_2r_sendrecv", "", 58, "send_recv", 2, 1},
      {"aws_p5_h100_nccl-tests_readme_1", "h100-sxm", 58, "all_reduce", 16, 2},
      {"b200_gcp-a4_8r_all_reduce", "", 12, "all_reduce", 8, 1},
      {"b200_gke_2n16r_all_gather", "", 48, "all_gather", 16, 2},
      {"mi250x-64gb_16r_all_reduce_small", "mi250x", 16, "all_reduce", 16, 2},
      {"mi250x-64gb_4n32r_all_gather_srunlabel", "mi250x", 12, "all_gather", 32, 4},
      {"mpich_prefixed_interleaved_h100", "h100-sxm", 20, "all_reduce", 24, 3},
      {"superbench_a100-40gb_8r_allreduce", "", 64, "all_reduce", 8, 1},
      {"superbench_a100-40gb_8r_alltoall", "", 58, "all_to_all", 8, 1}};
  for (const auto& log : logs) {
    const auto imported = import_file(data + "/logs/" + log.file + ".txt", {.card = log.card});
    ASSERT_EQ(imported.observations.size(), log.observations) << log.file;
    EXPECT_EQ(imported.observations[0].operation, log.operation) << log.file;
    EXPECT_EQ(imported.observations[0].ranks.group, log.ranks) << log.file;
    EXPECT_EQ(imported.observations[0].ranks.nodes, log.nodes) << log.file;
  }
}

}  // namespace
}  // namespace moecal::interchange
