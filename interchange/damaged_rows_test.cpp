// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/nccl_tests_logs.hpp"
#include "interchange/testing/import_testing.hpp"
#include "interchange/text_lines.hpp"

/// A line that stands in a table and is no row is refused, not passed over; and what stands between
/// rows because another program wrote there is no row.
namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(LooksLikeRow, TellsRowsFromNoise) {
  for (const auto* row : {"1024", "1024 2x.34", "1o24   22.34", "1048576 262144 flxat -1 9.9 nan",
                          "8192 | 80.00", "-024 22.34", "1024\t22.34\t21.90\tx", "1024 x2.34"})
    EXPECT_TRUE(looks_like_row(row)) << row;
  for (const auto* noise : {"",
                            "node7:1:2 [0] NCCL INFO x",
                            "2026-01-02 12:30:00 up",
                            "12:30:00 3 4",
                            "0: 1 2",
                            "10.0.0.1 joined 2 3",
                            " 10%|##  | 3/30",
                            "3/30 done",
                            "8 ranks have ended",
                            "# 8 9",
                            "[0] 8 9",
                            "-----",
                            "8 GPUs",
                            "3 warnings",
                            "8 H100",
                            "8 ranks, 2 nodes",
                            "12:01:03 8 9",
                            "2024-05-01 INFO 8 9",
                            "2024-05-01-12 8 9",
                            "0 0x00007f1b ucs_callbackq() ???:0",
                            "# Avg bus bandwidth : 8.1"})
    EXPECT_FALSE(looks_like_row(noise)) << noise;
}

struct Table {
  const char* name;
  std::string text;  // with the damaged line in the middle of sound rows
  ImportOptions options;
  std::size_t observations;
  int line;  // of the damage
};

class DamagedRows : public testing::TestWithParam<Table> {};

TEST_P(DamagedRows, AreRefusedAndNoOtherIsLost) {
  const auto& table = GetParam();
  const auto imported = import_log(table.text, table.options);
  EXPECT_EQ(imported.observations.size(), table.observations);
  ASSERT_EQ(imported.refused.size(), 1u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.refused[0].line, table.line) << imported.refused[0].reason;
  EXPECT_EQ(imported.rows_read, static_cast<int>(imported.lines_read.size()));
}

/// What other programs write in the middle of a table.
const std::string kNoise =
    "node7:12:34 [0] NCCL INFO Channel 00/1\n2026-01-02 12:30:00,123 WARNING 3 links\n"
    " 10%|##        | 3/30 [00:01<00:09]\n8 ranks are still waiting\n8 GPUs\n3 warnings\n"
    "12:01:03 3 links down\n2024-05-01 12:01:03 INFO 8 9\n"
    "1 more process has sent help message help-mpi.txt\n"
    "node7:12:34 [0] transport.cc:9 NCCL WARN 3\n";

const std::string kOsu =
    "# OSU MPI-CUDA Allreduce Latency Test v7.5\n# Datatype: MPI_FLOAT.\n"
    "# Size       Avg Latency(us)\n";
const std::string kHccl =
    "data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:\n";
const std::string kHcclRow = "8192 | 80.00 | 0.10240 | success\n";
const std::string kNccom =
    "nccom-test -r 4 allr -b 1MB\n"
    "     size(B)    count(elems)     type    time(us)    algbw(GB/s)    busbw(GB/s)\n";
const std::string kNccomRow = "1048576 524288 bf16 50 19.53 29.30\n";
const std::string kMegatron =
    "torchrun --nproc_per_node 8 megatron-allreduce.py\nsize(MB) tavg(usec) avgbw(GB/sec)\n";
const std::string kMegatronRow = "1.00 125.0 14.00\n";
const std::string kTorch =
    "The average bandwidth of all_reduce over 4 ranks (5 warmups / 20 trials):\n\n"
    "| payload |    busbw   |    algbw   |\n| ------: | ---------: | ---------: |\n";
const std::string kTorchRow = "|    1MiB |  30.00GBps |  20.00GBps |\n";
const std::string kMamf =
    "**BF16**:\n\n| Accelerator | MAMF | Theory | Efficiency | Best Shape MxNxK | torch version |\n"
    "| :--- | ---: | ---: | ---: | :--- | :--- |\n";
const std::string kMamfRow = "| NVIDIA H100 SXM | 750.0 | 989 | 75.8% | 2048x4096x8192 | 2.8.0 |\n";
const std::string kNvls =
    "Measured on an 8x H200 node at a 4GiB payload:\n\n"
    "| GPUs | algo NCCL picks | busbw | busbw, NVLS off | gain |\n| ---: | :- | -: | -: | -: |\n";
const std::string kNvlsRow = "| 8 | NVLS | 455.0GBps | 350.0GBps | 1.30x |\n";
const std::string kDeepep =
    "We test on H200 with a DeepSeek-V3/R1 setting (64 tokens per batch, 4096 hidden, top-8 "
    "experts, FP8 dispatching and BF16 combining).\n\n"
    "| Dispatch #EP | Latency | RDMA bandwidth | Combine #EP | Latency | RDMA bandwidth |\n"
    "|:-:|:-:|:-:|:-:|:-:|:-:|\n";
const std::string kDeepepRow = "| 8 | 40 us | 54 GB/s | 8 | 55 us | 76 GB/s |\n";
const std::string kAzure =
    "# Azure\n\n## System Specifications\n\n| GPU | NVIDIA H200 141GB |\n|---|---|\n| NCCL | 2.25 "
    "|\n"
    "\n## GEMM\n\nWith FP8.\n\n| m | n | k | NEW (TFLOPS) |\n|---|---|---|---|\n";
const std::string kAzureRow = "| 1024 | 1024 | 1024 | 300.5 |\n";
const std::string kNvbandwidth =
    "nvbandwidth Version: v0.7\n\nDevice 0: NVIDIA H100 80GB HBM3 (0:19:00)\n\n"
    "Running host_to_device_memcpy_ce.\nmemcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)\n";

/// A row of numbers between two sound ones, below them noise and one more.
std::string around(const std::string& row, const std::string& damaged) {
  return row + damaged + "\n" + kNoise + row;
}

INSTANTIATE_TEST_SUITE_P(
    Interchange, DamagedRows,
    testing::Values(
        Table{"osu_cut",
              kOsu + around("1024 20.5\n", "2048"),
              {.card = "h100-sxm", .ranks = 8},
              2,
              5},
        Table{"osu_digit",
              kOsu + around("1024 20.5\n", "2x48 20.5"),
              {.card = "h100-sxm", .ranks = 8},
              2,
              5},
        Table{"hccl_cut",
              kHccl + around(kHcclRow, "8192 | 80.00"),
              {.card = "ascend-910b", .operation = "all_reduce", .ranks = 8},
              2,
              3},
        Table{"hccl_digit",
              kHccl + around(kHcclRow, "x192 | 80.00 | 0.10240 | success"),
              {.card = "ascend-910b", .operation = "all_reduce", .ranks = 8},
              2,
              3},
        Table{"nccom_cut",
              kNccom + around(kNccomRow, "1048576 524288 bf16"),
              {.card = "trn1", .unlisted = true},
              2,
              4},
        Table{"nccom_digit",
              kNccom + around(kNccomRow, "1048x76 524288 bf16 50 19.53 29.30"),
              {.card = "trn1", .unlisted = true},
              2,
              4},
        Table{"megatron_cut", kMegatron + around(kMegatronRow, "1.00"), {.card = "h100-sxm"}, 2, 4},
        Table{"megatron_digit",
              kMegatron + around(kMegatronRow, "1.x0 125.0 14.00"),
              {.card = "h100-sxm"},
              2,
              4},
        Table{"nccl_type",
              kHead + devices(8) + kColumns +
                  around(kRow, "1048576 262144 flxat sum -1 100.0 10.49 18.35 0"),
              {},
              4,
              13},
        Table{"nccl_count",
              kHead + devices(8) + kColumns +
                  around(kRow, "1048576 26x144 float sum -1 100.0 10.49 18.35 0"),
              {},
              4,
              13},
        Table{"nccl_without_type",
              kHead + devices(8) + kColumns + around(kRow, "1048576 262144 -1 100.0 10.49 18.35 0"),
              {},
              4,
              13},
        Table{"nccl_cut", kHead + devices(8) + kColumns + around(kRow, "1048576 26"), {}, 4, 13},
        Table{"torch_bar",
              kTorch + around(kTorchRow, "|    1MiB |  30.00GBps |  20.00GBps"),
              {.card = "h200-sxm"},
              2,
              6},
        Table{"torch_front",
              kTorch + around(kTorchRow, "    1MiB |  30.00GBps |  20.00GBps |"),
              {.card = "h200-sxm"},
              2,
              6},
        Table{"mamf_bar", kMamf + around(kMamfRow, "| NVIDIA H100 SXM | 750.0 | 989"), {}, 2, 6},
        Table{"nvls_bar", kNvls + around(kNvlsRow, "| 8 | NVLS | 455.0GBps"), {}, 4, 6},
        Table{"deepep_bar", kDeepep + around(kDeepepRow, "| 8 | 40 us | 54 GB/s"), {}, 4, 6},
        Table{"azure_bar", kAzure + around(kAzureRow, "| 1024 | 1024 | 1024 | 300.5"), {}, 2, 16},
        Table{"nvbandwidth_cut",
              kNvbandwidth + "           0         1\n 0     55.10     54.90\n 1     55.10\n" +
                  kNoise + " 2     55.10     54.90\n\nSUM other 1\n",
              {},
              4,
              9},
        Table{"nvbandwidth_long",
              kNvbandwidth + "           0         1\n 0     55.10     54.90\n 1  55.1 54.9 1.0\n" +
                  kNoise + " 2     55.10     54.90\n\nSUM other 1\n",
              {},
              4,
              9}),
    [](const auto& table) { return std::string{table.param.name}; });

TEST(DamagedRows, AHeadWhoseNumbersAreDamagedTakesItsRowsAlong) {
  const auto imported = import_log(kNvbandwidth +
                                   "           0        1x\n 0     55.10     54.90\n"
                                   " 1     55.10     54.90\n\nSUM other 1\n");
  EXPECT_THAT(imported.observations, IsEmpty());
  EXPECT_THAT(imported.lines_read, ElementsAre(7, 8, 9));
}

TEST(DamagedRows, TabsSeparateAsBlanksDo) {
  const auto imported = import_log(kOsu + "1024\t20.5\t19.5\t22.5\n2048\t21.5\t20.5\t23.5\n",
                                   {.card = "h100-sxm", .ranks = 8});
  EXPECT_EQ(imported.observations.size(), 2u);
  EXPECT_THAT(imported.refused, IsEmpty());
}

// A row's halves and its head may stand on lines of their own, with other ranks' lines between.
TEST(DamagedRows, LinesAmongRowsThatAreNoneAreNotRefused) {
  const std::string labelled =
      " 0: h:1:2 [0] NCCL INFO Connected\n0: 3 warnings\n[3] 8 GPUs\n"
      "[1,0]<stderr>:8 ranks have ended\n0:\n";
  const std::string half = "    100.0   10.49   18.35      0\n";
  const auto imported = import_log(
      kHead + devices(8) + kColumns + "#  (B) (elements) (us) (GB/s) (GB/s) (us) (GB/s) (GB/s)\n" +
      kNoise + labelled + kRow + kNoise + labelled + "1048576 262144 float sum -1\n" + kNoise +
      labelled + half + kNoise + labelled + half + labelled + "\n" + kNoise + kRow +
      "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 14.5\n#\n3 4\n");
  EXPECT_EQ(imported.observations.size(), 6u);
  EXPECT_THAT(reasons(imported), IsEmpty());
}

// "3 12345" could be a size and a count. The rates tell a root and a time, and of which row.
TEST(DamagedRows, FiguresThatStartLikeASizeAreTheirRows) {
  const std::string head = "broadcast_perf -g 8\n" + kHead + devices(8) + kColumns;
  const std::string row = "1048576 262144 float none", figures = "3 12345 0.08 0.08 0";
  const auto whole =
      import_log(head + row + "\nh:1:2 NCCL INFO x\n" + figures + " 12300 0.09 0.09 0\n" + row +
                 " 3 100.0 10.49 10.49 0 100.0 10.49 10.49 0\n");
  EXPECT_THAT(reasons(whole), IsEmpty());
  ASSERT_EQ(whole.observations.size(), 4u);
  EXPECT_NEAR(whole.observations[0].seconds(), 12345e-6, 1e-9);
  EXPECT_NEAR(whole.observations[1].seconds(), 12300e-6, 1e-9);
  // The check of the first measurement, behind its rates, failed.
  const auto second = import_log(head + row + " 0 12345 0.08 0.08\n3 12300 0.09 0.09 0\n");
  EXPECT_THAT(reasons(second), IsEmpty());
  EXPECT_EQ(second.observations.size(), 2u);
  // A row without its type, behind one without its figures, is damaged as that one is.
  const auto damaged = import_log(head + row + "\n1048576 262144 3 12345 0.08 0.08 0\n");
  EXPECT_THAT(damaged.observations, IsEmpty());
  EXPECT_EQ(damaged.refused.size(), 2u);
}

// After the table, and after a blank line, sentences may start with a number.
TEST(DamagedRows, ABlankLineEndsATable) {
  EXPECT_THAT(import_log(kMegatron + kMegatronRow + "\n8x 9\n", {.card = "h100-sxm"}).refused,
              IsEmpty());
  EXPECT_THAT(import_log(kTorch + kTorchRow + "\n1 2\n", {.card = "h200-sxm"}).refused, IsEmpty());
  EXPECT_THAT(import_log(kHead + devices(8) + kColumns + kRow + "\n# end\n3 4\n").refused,
              IsEmpty());
}

}  // namespace
}  // namespace moecal::interchange
