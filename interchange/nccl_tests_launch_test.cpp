// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/nccl_tests_logs.hpp"
#include "interchange/testing/import_testing.hpp"

/// What a log does not say of its launch, and from what it is recovered.
namespace moecal::interchange {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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

}  // namespace
}  // namespace moecal::interchange
