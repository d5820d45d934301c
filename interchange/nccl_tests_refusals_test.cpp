// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/nccl_tests_logs.hpp"
#include "interchange/plausibility.hpp"
#include "interchange/testing/import_testing.hpp"

/// What is not believed.
namespace moecal::interchange {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string refusal(const std::string& rows) {
  const auto imported = import_log("# Collective test starting: all_reduce_perf\n" + kHead +
                                   devices(8) + kRow + rows);
  EXPECT_EQ(imported.refused.size(), 1u);
  return imported.refused.empty() ? "" : reasons(imported)[0];
}

TEST(NcclTests, RowsThatContradictThemselvesAreRefusedWithTheirLine) {
  EXPECT_THAT(refusal("1048576 262144 float sum -1 100.0 99.99 18.35 0\n"),
              HasSubstr("13: algbw is not size / time"));
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

// Fewer columns than a run with -I has, more than one without: those after the last #wrong are
// passed over, and no column is read that is not there.
TEST(NcclTests, ColumnsAfterTheLastAreNotTheSecondHalf) {
  const std::string whole = "1048576 262144 float sum -1 100.0 10.49 18.35 0 100.0 10.49 18.35 0";
  for (const auto* more : {" 7", " 7 8", " 7 8 9", " 7 8 9 10"}) {
    const auto imported = import_log("# Collective test starting: all_reduce_perf\n" + kHead +
                                     devices(8) + kRow + whole + more + "\n");
    EXPECT_EQ(imported.refused.size(), 0u) << more;
    EXPECT_EQ(imported.observations.size(), 4u) << more;
  }
}

// The columns say that a row has two halves; one that was cut between them looks whole.
TEST(NcclTests, ARowThatEndsAfterItsFirstHalfIsRefusedForTheSecond) {
  const std::string log =
      "# Collective test starting: all_reduce_perf\n" + kHead + devices(8) + kColumns + kRow;
  const auto whole = import_log(log);
  EXPECT_EQ(whole.refused.size(), 0u);
  EXPECT_EQ(whole.observations.size(), 2u);
  const auto cut = import_log(log + "2097152 524288 float sum -1 200.0 10.49 18.35 0");
  EXPECT_EQ(cut.observations.size(), 3u);
  EXPECT_THAT(reasons(cut),
              ElementsAre(HasSubstr("in-place: no figures of it, which other rows have")));
}

std::string with_columns(const std::string& rows) {
  return "# Collective test starting: all_reduce_perf\n" + kHead + devices(8) + kColumns + rows;
}

// rccl-tests takes one half where it is told to, under the columns of both: such a row cannot be
// told from one that was cut, but no half was seen to be lost.
TEST(NcclTests, RowsOfOneHalfAreNotRefusedWhereNoRowHasTwo) {
  const std::string half = "1048576 262144 float sum -1 100.0 10.49 18.35 0";
  for (const auto* behind :
       {"", " N/A N/A N/A", " N/A N/A N/A N/A", " RING LL 16", " 2027-11-22 10:00:00"}) {
    const auto imported = import_log(with_columns(half + behind + "\n" + half + behind + "\n"));
    EXPECT_THAT(reasons(imported), ElementsAre()) << behind;
    ASSERT_EQ(imported.observations.size(), 2u) << behind;
    EXPECT_EQ(imported.observations[0].implementation, "nccl");
    EXPECT_THAT(imported.notes, Contains(HasSubstr("taken as out-of-place"))) << behind;
    // Beside whole rows it has lost its second half, unless it says that there is none.
    const auto beside = import_log(with_columns(kRow + half + behind + "\n"));
    EXPECT_EQ(beside.refused.size(), std::string{behind}.starts_with(" N/A") ? 0u : 1u) << behind;
    EXPECT_THAT(beside.notes, Not(Contains(HasSubstr("the rows of one"))));
  }
}

// A replayed trace is run in place only: blanks stand where the other half would.
TEST(NcclTests, WhatStandsBehindTheBlanksOfAHalfIsInPlace) {
  const std::string head = "1048576 262144 float sum -1", figures = "100.0 10.49 18.35 0\n";
  const auto imported = import_log(with_columns(head + std::string(34, ' ') + figures));
  EXPECT_THAT(reasons(imported), ElementsAre());
  ASSERT_EQ(imported.observations.size(), 1u);
  EXPECT_EQ(imported.observations[0].implementation, "nccl_in_place");
  EXPECT_THAT(imported.notes, Contains(HasSubstr("taken as in-place")));
  // A redop and a root that are left blank are none.
  const auto blank = import_log(
      with_columns("1048576 262144 float" + std::string(21, ' ') + figures + kRow), {.ranks = 8});
  ASSERT_EQ(blank.observations.size(), 3u);
  EXPECT_EQ(blank.observations[0].implementation, "nccl");
  EXPECT_THAT(reasons(blank), ElementsAre(HasSubstr("in-place: no figures of it")));
}

TEST(NcclTests, ImpossibleRatesAreRefused) {
  // 16 GiB in 1 ms is twice the memory bandwidth of a B200.
  EXPECT_THAT(refusal("17179869184 4294967296 float sum -1 1000.0 17179.87 30064.77 0\n"),
              HasSubstr("GB/s is more than the 8000 GB/s memory bandwidth of b200-sxm"));
}

// Without the size of its cache a card's rates were not looked at below 1 GiB.
TEST(Plausibility, HoldsForWhateverACardsCacheCannotHold) {
  for (const auto* id : {"b200-sxm", "h200-sxm", "h100-sxm", "a100-sxm-80", "a100-64", "h100-64",
                         "mi210", "mi250x", "ascend-910b"}) {
    const auto card = find_card(id);
    Observation copy;
    copy.operation = "memory_copy";
    copy.point = {{"bytes", id == std::string{"ascend-910b"} ? 900'000'000 : 600'000'000}};
    const Bytes bytes{static_cast<double>(copy.point.at("bytes"))};
    copy.work.read = copy.work.written = bytes;
    const auto share_of_bandwidth = [&](double share) {
      return 2 * bytes.value() / (share * card.memory_bandwidth->value.value());
    };
    copy.samples_s = {share_of_bandwidth(1.1)};
    EXPECT_THAT(why_impossible(card, copy), HasSubstr("memory bandwidth of " + card.id));
    copy.samples_s = {share_of_bandwidth(0.9)};
    EXPECT_EQ(why_impossible(card, copy), "");
  }
}

// A copy reads its bytes and writes them: 1.9 TB/s copied is 3.8 TB/s of an H100's 3.35.
TEST(Plausibility, ACopyTouchesItsBytesTwice) {
  const auto report = [](const std::string& rate) {
    return "nvbandwidth Version: v0.7\nDevice 0: NVIDIA H100 80GB HBM3 (00000000:1b:00)\n\n"
           "Running device_local_copy.\nmemory copy local GPU(column) bandwidth (GB/s)\n"
           "           0\n 0   " +
           rate + "\n\nSUM device_local_copy " + rate + "\n";
  };
  EXPECT_EQ(import_log(report("1360.00")).observations.size(), 1u);
  EXPECT_THAT(reasons(import_log(report("1900.00"))),
              ElementsAre("7: 3800 GB/s is more than the 3350 GB/s memory bandwidth of h100-sxm"));
}

TEST(Plausibility, ProductsOfFloatsAreHeldToThePeakOfTf32) {
  const auto card = find_card("a100-sxm-80");
  Observation product;
  product.operation = "expert_gemm";
  product.dtypes.a = "f32";
  product.work.flops = Flops{1e15};
  product.samples_s = {1e15 / 600e12};
  EXPECT_EQ(why_impossible(card, product),
            "600 TFLOP/s is more than the 156 TFLOP/s dense peak of a100-sxm-80");
  product.samples_s = {1e15 / 150e12};
  EXPECT_EQ(why_impossible(card, product), "");
  // No way to multiply floats faster than f32 is known of this one.
  EXPECT_THAT(why_impossible(find_card("mi210"), product),
              HasSubstr("the 45.3 TFLOP/s dense peak of mi210"));
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

TEST(NcclTests, ARowWithoutAnyTimeIsRefused) {
  const auto imported = import_log(kHead + devices(8) + kRow +
                                   "1048576 262144 float sum -1 N/A N/A N/A N/A N/A N/A N/A N/A\n");
  EXPECT_EQ(imported.rows_read, 2);
  EXPECT_EQ(imported.refused.size(), 1u);
}

TEST(NcclTests, CpuTimesAreNotTheCollectives) {
  EXPECT_THAT(reasons(import_log(kHead + devices(8) +
                                 "# size count type redop root cputime algbw busbw\n" + kRow)),
              ElementsAre(HasSubstr("of the CPU (option -C)")));
}

// ---- what the user says against what the file says

/// Four ranks on each of two hosts.
std::string two_hosts() {
  std::string text;
  for (int r = 0; r < 8; ++r)
    text += "#  Rank " + std::to_string(r) + " Group  0 Pid " + std::to_string(70 + r) + " on " +
            (r < 4 ? "nodeA" : "nodeB") + " device  " + std::to_string(r % 4) +
            " [0000:1b:00] NVIDIA B200\n";
  return text;
}

TEST(NcclTestsOptions, AreRefusedForTheWholeRunWhereTheFileRefutesThem) {
  // 0.00 GB/s is the rate of any operation over any ranks: the small row says nothing.
  const std::string small =
      "           8             2     float     sum      -1    100.0    0.00    0.00      0    "
      "100.0    0.00    0.00      0\n";
  const auto text = "# Collective test starting: all_reduce_perf\n" + kHead + two_hosts() +
                    kColumns + small + kRow;
  EXPECT_EQ(import_log(text).observations.size(), 4u);
  EXPECT_EQ(
      import_log(text, {.operation = "all_reduce", .ranks = 8, .nodes = 2}).observations.size(),
      4u);
  const std::vector<std::pair<ImportOptions, std::string>> cases{
      {{.ranks = 4}, "--ranks 4, but the device lines name 8 ranks"},
      {{.ranks = 16},
       "line 13 refutes --ranks or --operation: its busbw is not that of all_reduce "
       "over 16 ranks"},
      {{.operation = "all_gather"}, "--operation all_gather, but the file says all_reduce"},
      {{.nodes = 5}, "--nodes 5, but the device lines name 2 hosts"},
      {{.nodes = 9}, "--nodes 9 for 8 ranks"}};
  for (const auto& [options, reason] : cases) {
    const auto imported = import_log(text, options);
    EXPECT_TRUE(imported.observations.empty()) << reason;
    ASSERT_EQ(imported.refused.size(), 2u) << reason;
    EXPECT_THAT(imported.refused[0].reason, HasSubstr(reason));
  }
}

TEST(NcclTestsOptions, AreRefusedWhereOneRowRefutesThem) {
  const auto text = kHead + two_hosts() + kColumns + kRow;  // nothing names the operation
  const auto imported = import_log(text, {.operation = "all_gather"});
  EXPECT_TRUE(imported.observations.empty());
  EXPECT_THAT(reasons(imported), ElementsAre(HasSubstr("refutes --ranks or --operation")));
}

}  // namespace
}  // namespace moecal::interchange
