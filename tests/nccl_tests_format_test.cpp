// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// What --format nccl-tests prints, column for column, and that moecal's own importer reads it back.
#include "bench/nccl_tests_format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/importer.hpp"

namespace moecal::bench {
namespace {

using ::testing::HasSubstr;

constexpr char kDevice[] = "NVIDIA H100 80GB HBM3";
const std::vector<RankPlace> kRanks{{"nodea", 101, 0, "0000:1B:00.0"},
                                    {"nodea", 102, 1, "0000:43:00.0"},
                                    {"nodea", 103, 2, "0000:52:00.0"},
                                    {"nodea", 104, 3, "0000:9D:00.0"}};

Observation observation(const std::string& implementation, std::int64_t bytes, double seconds) {
  Observation o;
  o.operation = "all_reduce";
  o.implementation = implementation;
  o.backend = "nccl";
  o.dtypes.a = "f32";
  o.point = {{"bytes", bytes}};
  o.ranks = {4, 4, "contiguous", 1, 1, "intra"};
  o.samples_s = {seconds};
  o.sample = {"raw", 20, "cuda_event"};
  o.policy.warmup = 61;
  o.library = {"NCCL", "2.28.9", "unknown", 0};
  return o;
}

TEST(NcclTestsFormat, IsThatOfNcclTestsColumnForColumn) {
  const std::vector<Observation> run{
      observation("nccl", 1 << 30, 0.0123456), observation("nccl", 1024, 12.344e-6),
      observation("nccl", 1 << 20, 123.44e-6), observation("nccl_in_place", 1024, 11e-6)};
  EXPECT_EQ(
      to_nccl_tests(run, kRanks, kDevice),
      "# Collective test starting: all_reduce_perf\n"
      "# nThread 1 nGpus 1 minBytes 1024 maxBytes 1073741824 step: 1024(factor) warmup iters: 61 "
      "iters: 20 agg iters: 1 validation: 1 graph: 0\n"
      "#\n"
      "# Using devices\n"
      "#  Rank  0 Group  0 Pid    101 on      nodea device  0 [0000:1b:00] NVIDIA H100 80GB HBM3\n"
      "#  Rank  1 Group  0 Pid    102 on      nodea device  1 [0000:43:00] NVIDIA H100 80GB HBM3\n"
      "#  Rank  2 Group  0 Pid    103 on      nodea device  2 [0000:52:00] NVIDIA H100 80GB HBM3\n"
      "#  Rank  3 Group  0 Pid    104 on      nodea device  3 [0000:9d:00] NVIDIA H100 80GB HBM3\n"
      "#\n"
      "# NCCL version 2.28.9 (nccl), written by moecal: a time is the median of the slowest "
      "rank's; rows have at least the iterations above\n"
      "#\n"
      "#                                                              out-of-place                "
      "       in-place          \n"
      "#       size         count      type   redop    root     time   algbw   busbw #wrong     "
      "time   algbw   busbw #wrong\n"
      "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            "
      "(us)  (GB/s)  (GB/s)       \n"
      "        1024           256     float     sum      -1    12.34    0.08    0.12      0    "
      "11.00    0.09    0.14      0\n"
      "     1048576        262144     float     sum      -1    123.4    8.49   12.74      0      "
      "nan     nan     nan    N/A\n"
      "  1073741824     268435456     float     sum      -1    12346   86.97  130.46      0      "
      "nan     nan     nan    N/A\n"
      "# Out of bounds values : 0 OK\n"
      "# Avg bus bandwidth    : 35.8666 \n"
      "#\n"
      "# Collective test concluded: all_reduce_perf\n\n");
}

TEST(NcclTestsFormat, SaysThatCallsWereReplayedFromAGraph) {
  Observation replayed = observation("nccl_graph", 1024, 1e-5);
  replayed.policy.graph = "cuda_graph";
  EXPECT_THAT(to_nccl_tests({{replayed}}, kRanks, kDevice), HasSubstr("validation: 1 graph: 1\n"));
}

TEST(NcclTestsFormat, CountsElementsOfABlockAndNamesTheRoot) {
  Observation gather = observation("nccl", 4096, 1e-5);
  gather.operation = "all_gather";
  gather.dtypes.a = "bf16";
  Observation broadcast = observation("nccl", 4096, 1e-5);
  broadcast.operation = "broadcast";
  const std::string text = to_nccl_tests(std::vector{gather, broadcast}, kRanks, kDevice);
  EXPECT_THAT(text, HasSubstr("        4096           512  bfloat16    none      -1    10.00"));
  EXPECT_THAT(text, HasSubstr("        4096          1024     float    none       0    10.00"));
}

TEST(NcclTestsFormat, KeepsTheRowOfAWrongResultAndEndsInFailed) {
  Observation wrong = observation("nccl", 4096, 1e-5);
  wrong.outcome = Outcome::failed;
  wrong.verification = {1, 0, "pattern"};
  const std::vector<Observation> run{wrong, observation("nccl", 8192, 1e-5)};
  const std::string text = to_nccl_tests(run, kRanks, kDevice);
  EXPECT_THAT(text, HasSubstr("4096          1024     float     sum      -1    10.00    0.41    "
                              "0.61      1"));
  EXPECT_THAT(text, HasSubstr("# Out of bounds values : 1 FAILED\n"));
  const auto imported = interchange::import_text("run.log", text, {});
  ASSERT_EQ(imported.observations.size(), 2U);
  EXPECT_EQ(imported.observations[0].outcome, Outcome::failed);
  EXPECT_EQ(imported.observations[1].outcome, Outcome::measured);
}

// The columns of sendrecv_perf: it runs over reductions, though it makes none.
TEST(NcclTestsFormat, NamesAReductionForSendRecv) {
  Observation o = observation("nccl", 4096, 1e-5);
  o.operation = "send_recv";
  EXPECT_THAT(to_nccl_tests(std::vector{o}, kRanks, kDevice),
              HasSubstr("        4096          1024     float     sum      -1    10.00"));
}

TEST(NcclTestsFormat, ABroadcastOfMpiIsInPlace) {
  Observation o = observation("ompi", 4096, 1e-5);
  o.operation = "broadcast";
  o.backend = "mpi";
  const std::string text = to_nccl_tests(std::vector{o}, kRanks, kDevice);
  EXPECT_THAT(text, HasSubstr("none       0      nan     nan     nan    N/A    10.00    0.41    "
                              "0.41      0\n"));
  const auto imported = interchange::import_text("run.log", text, {});
  ASSERT_EQ(imported.observations.size(), 1U);
  EXPECT_TRUE(imported.refused.empty());
  EXPECT_TRUE(imported.observations[0].implementation.ends_with("_in_place"));
}

TEST(NcclTestsFormat, SaysWhatItHasNoRowFor) {
  Observation failed = observation("nccl", 4096, 1e-5);
  failed.outcome = Outcome::skipped;
  failed.reason = "too large";
  Observation routed = observation("nccl", 4096, 1e-5);
  routed.operation = "all_to_all_v";
  routed.point = {{"tokens", 8}};
  EXPECT_EQ(to_nccl_tests(std::vector{failed, routed}, kRanks, kDevice),
            "# all_reduce nccl f32 bytes=4096: skipped: too large\n"
            "# all_to_all_v nccl f32 tokens=8: nccl-tests has no row for it\n");
}

/// What the importer makes of what was printed.
interchange::Imported read_back(const std::vector<Observation>& observations) {
  return interchange::import_text("run.log", to_nccl_tests(observations, kRanks, kDevice), {});
}

void expect_read_back(const Observation& original) {
  const auto imported = read_back({original});
  ASSERT_EQ(imported.observations.size(), 1U)
      << original.operation << (imported.refused.empty() ? "" : imported.refused[0].reason);
  const Observation& o = imported.observations[0];
  EXPECT_EQ(o.operation, original.operation);
  EXPECT_EQ(o.point, original.point);
  EXPECT_EQ(o.dtypes.a, original.dtypes.a);
  EXPECT_NEAR(o.seconds(), original.seconds(), 0.005 * original.seconds());
  EXPECT_EQ(o.ranks.group, original.ranks.group);
  EXPECT_EQ(o.ranks.placement,
            original.ranks.concurrent_groups > 1 ? original.ranks.placement : "contiguous");
  EXPECT_EQ(o.ranks.concurrent_groups, original.ranks.concurrent_groups);
  EXPECT_EQ(o.ranks.nodes, 1);
  EXPECT_EQ(o.library.runtime_version, "2.28.9");
  EXPECT_EQ(o.outcome, Outcome::measured);
  EXPECT_EQ(imported.environments.at(0).card, "h100-sxm");
}

TEST(NcclTestsFormat, IsReadBackByTheImporter) {
  for (const auto* operation :
       {"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send_recv"})
    for (const auto& [group, groups] : {std::pair{4, 1}, {2, 1}, {2, 2}})
      for (const auto* placement : {"contiguous", "strided"}) {
        SCOPED_TRACE(std::string{operation} + " " + placement + " " + std::to_string(group) + "x" +
                     std::to_string(groups));
        Observation o = observation("nccl", 1 << 24, 234.5e-6);
        o.operation = operation;
        o.ranks = {4, group, placement, groups, 1, "intra"};
        expect_read_back(o);
      }
}

TEST(NcclTestsFormat, InPlaceIsReadBackAsAnotherImplementation) {
  const auto imported = read_back(
      {observation("nccl", 1 << 24, 234.5e-6), observation("nccl_in_place", 1 << 24, 200e-6)});
  ASSERT_EQ(imported.observations.size(), 2U);
  EXPECT_TRUE(imported.observations[1].implementation.ends_with("_in_place"));
  EXPECT_NEAR(imported.observations[1].seconds(), 200e-6, 1e-6);
}

}  // namespace
}  // namespace moecal::bench
