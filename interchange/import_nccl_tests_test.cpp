// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "interchange/import_testing.hpp"

namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string devices(int ranks, const std::string& name = "NVIDIA B200") {
  std::string text = "# Using devices\n";
  for (int r = 0; r < ranks; ++r)
    text += "#  Rank " + std::to_string(r) + " Group  0 Pid 77 on nodeA device  " +
            std::to_string(r) + " [0000:1b:00] " + name + "\n";
  return text;
}

const std::string kHead =
    "# nThread 1 nGpus 8 minBytes 8 maxBytes 8 step: 2(factor) warmup iters: 5 iters: 20 agg "
    "iters: "
    "1 validation: 1 graph: 0\n";
const std::string kColumns =
    "#       size         count      type   redop    root     time   algbw   busbw #wrong     time "
    " "
    " algbw   busbw #wrong\n";

// 1 MiB in 100 us is 10.49 GB/s; over 8 ranks an all_reduce's busbw is 1.75x that: 18.35.
const std::string kRow =
    "     1048576        262144     float     sum      -1    100.0   10.49   18.35      0    50.00 "
    "  "
    "20.97   36.70      0\n";

// ---- the plain case

TEST(NcclTests, RowsBecomeTwoObservationsInSiUnits) {
  const auto imported = import_log("# Collective test starting: all_reduce_perf\n" + kHead +
                                   devices(8) + "NCCL version 2.27.3+cuda12.9\n" + kColumns + kRow);
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_THAT(imported.refused, IsEmpty());
  const auto& o = imported.observations[0];
  EXPECT_EQ(o.operation, "all_reduce");
  EXPECT_EQ(o.implementation, "nccl");
  EXPECT_EQ(o.dtypes.a, "f32");
  EXPECT_EQ(o.point, (Point{{"bytes", 1048576}}));
  EXPECT_THAT(o.samples_s, ElementsAre(1e-4));
  EXPECT_EQ(o.ranks.group, 8);
  EXPECT_EQ(o.ranks.tier, "intra");
  EXPECT_EQ(o.sample.statistic, "mean");
  EXPECT_EQ(o.sample.iterations_per_sample, 20);
  EXPECT_EQ(o.policy.warmup, 5);
  EXPECT_EQ(o.library.runtime_version, "2.27.3");
  EXPECT_EQ(o.source.tool, "nccl-tests");
  EXPECT_EQ(o.source.line, 14);
  EXPECT_EQ(o.source.sha256.size(), 64u);
  EXPECT_EQ(o.verification.method, "full");
  EXPECT_EQ(imported.observations[1].implementation, "nccl_in_place");
  EXPECT_THAT(imported.observations[1].samples_s, ElementsAre(5e-5));
  ASSERT_EQ(imported.environments.size(), 1u);
  EXPECT_EQ(imported.environments[0].card, "b200-sxm");
  EXPECT_EQ(imported.environments[0].system, "b200-sxm-8");
  EXPECT_EQ(o.environment_id, imported.environments[0].id());
}

TEST(NcclTests, ObservationsSurviveTheirFile) {
  const auto imported = import_log(kHead + devices(8) + kColumns + kRow);
  std::istringstream stream{to_json_line(imported.environments[0]) +
                            to_json_line(imported.observations[0])};
  const auto file = read_observations(stream, "a.jsonl");
  EXPECT_EQ(to_json_line(file.observations.at(0)), to_json_line(imported.observations[0]));
}

// ---- what launchers and releases do to the text

struct Variant {
  const char* name;
  std::string rows;
  std::size_t observations;
};

class Variants : public testing::TestWithParam<Variant> {};

TEST_P(Variants, GiveTheSameFirstObservation) {
  const auto imported = import_log(kHead + devices(8) + GetParam().rows, {}, "allreduce.txt");
  ASSERT_EQ(imported.observations.size(), GetParam().observations)
      << testing::PrintToString(reasons(imported));
  EXPECT_THAT(imported.refused, IsEmpty());
  for (const auto& o : imported.observations) EXPECT_EQ(o.operation, "all_reduce");
  EXPECT_EQ(imported.observations[0].point.at("bytes"), 1048576);
  EXPECT_NEAR(imported.observations[0].samples_s[0], 1e-4, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    NcclTests, Variants,
    testing::Values(
        Variant{"plain", kColumns + kRow, 2}, Variant{"no_column_heads", kRow, 2},
        Variant{"old_without_root",
                "1048576 262144 float sum 100.0 10.49 18.35 4e-07 50.00 20.97 36.70 2e-07\n", 2},
        Variant{"not_checked",
                "1048576 262144 float sum -1 100.0 10.49 18.35 N/A 50.00 20.97 36.70 N/A\n", 2},
        Variant{"out_of_place_only", "1048576 262144 float sum -1 100.0 10.49 18.35\n", 1},
        Variant{"out_of_place_only_checked", "1048576 262144 float sum -1 100.0 10.49 18.35 0\n",
                1},
        Variant{"no_check_column",
                "1048576 262144 float sum -1 100.0 10.49 18.35 50.00 20.97 36.70\n", 2},
        Variant{"last_check_cut_off",
                "1048576 262144 float sum -1 100.0 10.49 18.35 0 50.00 20.97 36.70\n", 2},
        Variant{"srun_label", " 0: " + kRow, 2},
        Variant{"srun_label_without_space",
                "0:     1048576  262144 float sum -1 100.0 10.49 18.35 0\n", 1},
        Variant{"mpirun_tag_output", "[1,0]<stdout>:" + kRow, 2},
        Variant{"mpich_halves",
                "[0]  1048576  262144  float  sum  -1[0]  100.0  10.49  18.35  0[0]  50.00  20.97  "
                "36.70  0\n",
                2},
        Variant{"log_between_head_and_times",
                "[0] 1048576 262144 float sum -1[0] nodeA:12:34 [0] NCCL INFO Algo 0 proto 0\n"
                "[0] nodeA:12:34 [0] NCCL INFO comm 0x1 done\n[0]   100.0 10.49 18.35 0\n"
                "[0]   50.00 20.97 36.70 0\n",
                2},
        Variant{"log_glued_to_the_row",
                "1048576 262144 float sum -1 100.0 10.49 18.35 0nodeA:12:34 [0] NCCL INFO x\n", 1},
        Variant{"time_stamps",
                "1048576 262144 float sum -1 100.0 10.49 18.35 0 50.00 20.97 36.70 0 2026-01-02 "
                "12:30:00\n",
                2},
        Variant{"pod_log_prefix", "2026-01-02T03:04:05Z worker-0 " + kRow, 2},
        Variant{"quoted", "> " + kRow, 2},
        Variant{"html",
                "<span class=\"line\">1048576 262144 float sum -1 100.0 10.49 18.35 0</span>\n", 1},
        Variant{"exponent", "1048576 262144 float sum -1 1.00e+02 10.49 18.35 0\n", 1},
        Variant{"windows_line_ends", "1048576 262144 float sum -1 100.0 10.49 18.35 0\r\n", 1},
        Variant{"text_between_rows",
                kRow + "WARNING: 3 links are down, 12 float\n\n# remark\n" + kRow, 4}),
    [](const auto& variant) { return std::string{variant.param.name}; });

TEST(NcclTests, BroadcastWithoutRedopHasARoot) {
  const auto imported = import_log(
      kHead + devices(4) + "1048576 262144 float 0 100.0 10.49 10.49 0e+00\n", {}, "broadcast.txt");
  ASSERT_EQ(imported.observations.size(), 1u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].operation, "broadcast");
}

TEST(NcclTests, RepeatedSizesAreRepetitions) {
  const auto imported = import_log(kHead + devices(8) + kRow + kRow);
  ASSERT_EQ(imported.observations.size(), 4u);
  EXPECT_EQ(imported.observations[0].repetition, 0);
  EXPECT_EQ(imported.observations[2].repetition, 1);
}

TEST(NcclTests, SeveralRunsOfOneFileKeepTheirOwnHeads) {
  // Over 4 ranks all_gather's busbw is 0.75x algbw.
  const auto imported =
      import_log("mpirun -np 8 ./all_reduce_perf -b 1M -e 1M\n" + kHead + devices(8) + kRow +
                 "mpirun -np 4 ./all_gather_perf -b 1M -e 1M\n" + kHead + devices(4) +
                 "1048576 65536 float none -1 100.0 10.49 7.86 0\n");
  ASSERT_EQ(imported.observations.size(), 3u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].operation, "all_reduce");
  EXPECT_EQ(imported.observations[2].operation, "all_gather");
  EXPECT_EQ(imported.observations[2].ranks.group, 4);
}

// ---- what the file does not say

TEST(NcclTests, RanksAreRecoveredFromTheRates) {
  const auto imported = import_log(kRow, {.card = "b200-sxm", .operation = "all_reduce"});
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_EQ(imported.observations[0].ranks.group, 8);
  EXPECT_THAT(imported.notes[0], HasSubstr("8 ranks (from busbw / algbw)"));
}

TEST(NcclTests, RanksOfTheLaunchCommandCount) {
  const auto imported = import_log(
      "srun --nodes=2 --ntasks-per-node=4 -- all_gather_perf -b 1M -e 1M -n 50\n"
      "1048576 32768 float none -1 100.0 10.49 9.18 0\n",
      {.card = "b200-sxm"});
  ASSERT_EQ(imported.observations.size(), 1u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].ranks.group, 8);
  EXPECT_EQ(imported.observations[0].ranks.nodes, 2);
  EXPECT_EQ(imported.observations[0].ranks.tier, "inter");
}

TEST(NcclTests, EachLauncherHasItsOwnWordForRanksPerNode) {
  // Over 32 ranks all_reduce's busbw is 1.9375x algbw.
  const std::string rows = " -b 1M -e 1M\n1048576 262144 float sum -1 100.0 10.49 20.32 0\n";
  for (const std::string launch :
       {"mpirun -np 32 -N 16 -x NCCL_DEBUG=WARN", "mpirun -n 32 -npernode 16",
        "mpirun --np 32 \\\n  --map-by ppr:16:node \\\n ", "mpiexec -n 32 -ppn 16",
        "srun -N 2 --ntasks-per-node=16 --"}) {
    const auto imported = import_log(launch + " ./all_reduce_perf" + rows, {.card = "b200-sxm"});
    ASSERT_EQ(imported.observations.size(), 1u)
        << launch << testing::PrintToString(reasons(imported));
    EXPECT_EQ(imported.observations[0].ranks.group, 32) << launch;
    EXPECT_EQ(imported.observations[0].ranks.nodes, 2) << launch;
  }
}

TEST(NcclTests, RunsThatAScriptListsUnderHeadingsAreKeptApart) {
  const auto imported =
      import_log("===== reduce_perf =====\n" + devices(2) +
                     "1048576 262144 float sum 0 100.0 10.49 10.49 0\n"
                     "===== broadcast_perf =====\n" +
                     devices(2) +
                     "1048576 262144 float none 0 100.0 10.49 10.49 0\n"
                     "# Avg bus bandwidth    : 3.1\n# Collective test concluded: broadcast_perf\n" +
                     devices(2) +
                     "1048576 131072 float none -1 100.0 10.49 5.24 0\n"
                     "# Collective test concluded: alltoall_perf\n\n===== scatter_perf =====\n",
                 {.card = "b200-sxm"});
  EXPECT_THAT(reasons(imported), ElementsAre(HasSubstr("'reduce' is no operation of moecal's")));
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_EQ(imported.observations[0].operation, "broadcast");
  EXPECT_EQ(imported.observations[1].operation, "all_to_all");
}

TEST(NcclTests, AnOperationThatTheRatesDoNotTellIsAskedFor) {
  const auto text = kHead + devices(8) + "1048576 32768 float none -1 100.0 10.49 9.18 0\n";
  EXPECT_THAT(reasons(import_log(text)),
              ElementsAre(HasSubstr("nothing says which collective this is: name it with --op")));
  EXPECT_EQ(import_log(text, {.operation = "all_to_all"}).observations[0].operation, "all_to_all");
}

TEST(NcclTests, OnlyAllReduceMovesMoreThanItsSize) {
  EXPECT_EQ(import_log(kHead + devices(8) + kRow).observations[0].operation, "all_reduce");
  const auto reduced =
      import_log(kHead + devices(8) + "1048576 32768 float sum -1 100.0 10.49 9.18 0\n");
  EXPECT_EQ(reduced.observations[0].operation, "reduce_scatter");
}

TEST(NcclTests, OperationsMoecalHasNoWordForAreNamed) {
  EXPECT_THAT(
      reasons(import_log("# Collective test starting: reduce_perf\n" + kHead + devices(8) + kRow)),
      ElementsAre(HasSubstr("'reduce' is no operation of moecal's")));
}

TEST(NcclTests, DeviceListsCutShortCountToTheirHighestRank) {
  const auto imported =
      import_log(kHead +
                 "#  Rank  0 Group  0 Pid 1 on a device  0 [0000:0f:00] NVIDIA B200\n"
                 "#  Rank  7 Group  0 Pid 1 on a device  7 [0000:0f:00] NVIDIA B200\n"
                 "#  Rank  8 Group  0 Pid 1 on b device  0 [0000:0f:00] NVIDIA B200\n"
                 "#  Rank 15 Group  0 Pid 1 on b device  7 [0000:0f:00] NVIDIA B200\n"
                 "1048576 262144 float sum -1 100.0 10.49 19.66 0\n");
  ASSERT_EQ(imported.observations.size(), 1u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].ranks.group, 16);
  EXPECT_EQ(imported.observations[0].ranks.nodes, 2);
}

/// Device lines of one GPU per process: each sees only its own, as device 0.
std::string lone_devices(int ranks, int per_host, bool hosts = true) {
  std::string text = "# Using devices\n";
  for (int r = 0; r < ranks; ++r)
    text += "#  Rank " + std::to_string(r) + " Group  0 Pid " + std::to_string(100 + r) +
            (hosts ? " on node" + std::to_string(r / per_host) : "") +
            " device  0 [0000:1b:00] NVIDIA B200\n";
  return text;
}

TEST(NcclTests, ProcessesThatSeeOneGpuEachAreCountedByTheirHosts) {
  const auto one = import_log(kHead + lone_devices(8, 8) + kRow);
  ASSERT_EQ(one.observations.size(), 2u) << testing::PrintToString(reasons(one));
  EXPECT_EQ(one.observations[0].ranks.nodes, 1);
  EXPECT_EQ(one.observations[0].ranks.tier, "intra");
  EXPECT_EQ(one.environments[0].system, "b200-sxm-8");
  const auto two = import_log(kHead + lone_devices(8, 4) + kRow);
  EXPECT_EQ(two.observations.at(0).ranks.nodes, 2);
  EXPECT_EQ(two.observations.at(0).ranks.tier, "inter");
  const auto unsaid = import_log(kHead + lone_devices(8, 8, false) + kRow);
  EXPECT_EQ(unsaid.observations.at(0).ranks.nodes, 1);
  EXPECT_THAT(unsaid.notes[0], HasSubstr("on 1 node (assumed)"));
}

TEST(NcclTests, HostsCountEvenWhereTheyAreFuller) {
  // 16 ranks in two halves of 4 devices, each device twice: two hosts, not four.
  std::string text = kHead;
  for (int r = 0; r < 16; ++r)
    text += "#  Rank " + std::to_string(r) + " Group  0 Pid " + std::to_string(r) + " on node" +
            std::to_string(r / 8) + " device  " + std::to_string(r % 4) +
            " [0000:1b:00] NVIDIA B200\n";
  const auto imported = import_log(text + "1048576 262144 float sum -1 100.0 10.49 19.66 0\n");
  ASSERT_EQ(imported.observations.size(), 1u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].ranks.nodes, 2);
}

TEST(NcclTests, SeparateRunsThatWroteAtOnceAreRefused) {
  const std::string mixed = kHead + kHead +
                            "#  Rank  0 Group  0 Pid 11 on nodeA device  0 [0x1a] NVIDIA B200\n"
                            "#  Rank  0 Group  0 Pid 12 on nodeB device  0 [0x1a] NVIDIA B200\n"
                            "#  Rank  1 Group  0 Pid 11 on nodeA device  1 [0x1b] NVIDIA B200\n"
                            "#  Rank  1 Group  0 Pid 12 on nodeB device  1 [0x1b] NVIDIA B200\n"
                            "1048576 262144 float sum -1 100.0 10.49 10.49 0\n"
                            "1048576 262144 float sum -1 100.0 10.49 10.49 0\n";
  const auto imported = import_log(mixed, {.operation = "all_reduce"});
  EXPECT_THAT(
      reasons(imported),
      testing::Each(HasSubstr("rank 0 is listed more than once: separate runs wrote here")));
  EXPECT_EQ(imported.refused.size(), 2u);
  const auto told = import_log(mixed, {.operation = "all_reduce", .ranks = 2});
  EXPECT_EQ(told.observations.size(), 2u);
}

TEST(NcclTests, DevicesOfARunWithoutRowsAreNotTheNextRuns) {
  std::string died = kHead;
  for (int r = 0; r < 16; ++r)
    died += "#  Rank " + std::to_string(r) + " Group  0 Pid 5 on nodeA device  " +
            std::to_string(r) + " [0x1a] NVIDIA B200\n";
  const auto imported = import_log(died + "unhandled system error\n" + kHead + devices(8) + kRow);
  ASSERT_EQ(imported.observations.size(), 2u) << testing::PrintToString(reasons(imported));
  EXPECT_EQ(imported.observations[0].ranks.group, 8);
}

TEST(NcclTests, GroupsOfASplitLaunchAreCounted) {
  std::string text = kHead;
  for (int r = 0; r < 8; ++r)
    text += "#  Rank " + std::to_string(r) + " Group " + std::to_string(r % 2) +
            " Pid 1 on a device " + std::to_string(r) + " [0000:0f:00] NVIDIA B200\n";
  // Over 4 ranks all_reduce's busbw is 1.5x algbw.
  const auto imported = import_log(text + "1048576 262144 float sum -1 100.0 10.49 15.73 0\n");
  ASSERT_EQ(imported.observations.size(), 1u) << testing::PrintToString(reasons(imported));
  const auto& ranks = imported.observations[0].ranks;
  EXPECT_EQ(ranks.group, 4);
  EXPECT_EQ(ranks.world, 8);
  EXPECT_EQ(ranks.concurrent_groups, 2);
  EXPECT_EQ(ranks.placement, "strided");
}

TEST(NcclTests, UnknownDevicesAreRefusedUnlessTheUserNamesTheCard) {
  const auto text = kHead + devices(8, "NVIDIA Graphics Device") + kRow;
  EXPECT_THAT(what_is_wrong(text), HasSubstr("unknown card 'NVIDIA Graphics Device'; known: "));
  EXPECT_THAT(what_is_wrong(text, {.card = "b300"}), HasSubstr("unknown card 'b300'"));
  EXPECT_EQ(import_log(text, {.card = "b200-sxm"}).environments[0].card, "b200-sxm");
  EXPECT_EQ(import_log(text, {.card = "b300", .unlisted = true}).environments[0].system, "b300-8");
  EXPECT_THAT(what_is_wrong(kRow, {.operation = "all_reduce"}), HasSubstr("name it with --card"));
}

// ---- what is not believed

std::string refusal(const std::string& rows) {
  const auto imported = import_log(kHead + devices(8) + kRow + rows, {.operation = "all_reduce"});
  EXPECT_EQ(imported.refused.size(), 1u);
  return imported.refused.empty() ? "" : reasons(imported)[0];
}

TEST(NcclTests, RowsThatContradictThemselvesAreRefusedWithTheirLine) {
  EXPECT_THAT(refusal("1048576 262144 float sum -1 100.0 99.99 18.35 0\n"),
              HasSubstr("12: algbw is not size / time"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 100.0 10.49 19.66 0\n"),
              HasSubstr("but all_reduce over 8 ranks (from device lines) gives 1.75"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 nan nan nan 0\n"),
              HasSubstr("no complete time"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 0.00 inf inf 0\n"), HasSubstr("no complete"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 xx.xx xx.xx xx.xx 0\n"),
              HasSubstr("no complete"));
  EXPECT_THAT(refusal("0 0 float sum -1 3.10 0.00 0.00 0\n"), HasSubstr("size 0"));
  EXPECT_THAT(refusal("1048576 262144 float sum -1 100.0 10.49 18.35 0 nan nan nan 0\n"),
              HasSubstr("in-place: time, algbw or busbw is 'nan'"));
}

TEST(NcclTests, ImpossibleRatesAreRefused) {
  // 16 GiB in 1 ms is twice the memory bandwidth of a B200.
  EXPECT_THAT(refusal("17179869184 4294967296 float sum -1 1000.0 17179.87 30064.77 0\n"),
              HasSubstr("GB/s is more than the 8000 GB/s memory bandwidth of b200-sxm"));
}

TEST(NcclTests, OneRankIsNoCollective) {
  const auto imported =
      import_log(kHead + devices(1) + "1048576 262144 float sum -1 5.00 209.72 0.00 0\n", {},
                 "all_reduce.txt");
  EXPECT_THAT(reasons(imported), ElementsAre(HasSubstr("one rank: nothing crosses a link")));
  const auto cut_short =
      import_log(kHead + devices(1) + "1048576 262144 float sum -1 100.0 10.49 18.35 0\n", {},
                 "all_reduce.txt");
  EXPECT_THAT(reasons(cut_short), ElementsAre(HasSubstr("only one rank is listed: give --ranks")));
}

TEST(NcclTests, WrongResultsAreFailedObservations) {
  const auto imported =
      import_log(kHead + devices(8) +
                 "1048576 262144 float sum -1 100.0 10.49 18.35 7 50.00 20.97 36.70 4e-07\n");
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_EQ(imported.observations[0].outcome, Outcome::failed);
  EXPECT_THAT(imported.observations[0].reason, HasSubstr("7 of the results were wrong"));
  EXPECT_EQ(imported.observations[1].outcome, Outcome::measured);
  EXPECT_DOUBLE_EQ(imported.observations[1].verification.max_rel_error, 4e-7);
}

TEST(NcclTests, TypesWithoutAWordAreCounted) {
  const auto imported =
      import_log(kHead + devices(8) + kRow + "1048576 131072 double sum -1 100.0 10.49 18.35 0\n");
  EXPECT_EQ(imported.not_imported.at("dtype double"), 1);
  EXPECT_EQ(imported.rows_read, 2);
}

TEST(NcclTests, CpuTimesAreNotTheCollectives) {
  EXPECT_THAT(reasons(import_log(kHead + devices(8) +
                                 "# size count type redop root cputime algbw busbw\n" + kRow)),
              ElementsAre(HasSubstr("of the CPU (option -C)")));
}

// Real logs, where they are at hand: how many observations each holds, and what its run was.
struct PublicLog {
  const char* file;
  const char* card;
  std::size_t observations;
  const char* operation;
  int ranks, nodes;
};

TEST(NcclTests, PublicLogsAreImported) {
  const auto data = public_data();
  if (data.empty()) GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder with public logs";
  const std::vector<PublicLog> logs{
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
