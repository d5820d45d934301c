// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "interchange/testing/import_testing.hpp"

namespace moecal::interchange {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string fixture(const std::string& name) {
  return read_file(MOECAL_SOURCE_DIR "/interchange/fixtures/" + name);
}

TEST(NcclTestsJson, IterationsTimedAloneAreTheSamples) {
  const auto imported = import_fixture("nccl-tests-json/v4.json");
  EXPECT_EQ(imported.format, "nccl-tests-json");
  EXPECT_EQ(imported.rows_read, 3);
  ASSERT_EQ(imported.observations.size(), 6u) << testing::PrintToString(reasons(imported));
  const auto& o = imported.observations[0];
  EXPECT_EQ(o.operation, "all_reduce");
  EXPECT_EQ(o.sample.statistic, "raw");
  EXPECT_THAT(o.samples_s, ElementsAre(testing::DoubleEq(40e-6), testing::DoubleEq(39.5e-6),
                                       testing::DoubleEq(40e-6), testing::DoubleEq(41.5e-6)));
  EXPECT_EQ(o.policy.warmup, 6);  // five, and the iteration skipped
  EXPECT_EQ(o.library.runtime_version, "2.29.2");
  EXPECT_EQ(imported.observations[1].implementation, "nccl_in_place");
  EXPECT_EQ(imported.observations[1].sample.statistic, "mean");
  EXPECT_EQ(imported.observations[1].sample.iterations_per_sample, 20);
}

TEST(NcclTestsJson, DevicesThatTheFileLeavesOutAreCounted) {
  const auto imported = import_fixture("nccl-tests-json/v4.json");
  const auto& ranks = imported.observations.at(0).ranks;
  EXPECT_EQ(ranks.group, 8);  // two processes of four GPUs, of which one each is listed
  EXPECT_EQ(ranks.nodes, 2);
  EXPECT_EQ(ranks.tier, "inter");
  EXPECT_EQ(imported.environments.at(0).card, "h200-sxm");
  EXPECT_EQ(imported.environments.at(0).settings.at("NCCL_ALGO"), "Ring");
  EXPECT_EQ(imported.environments.at(0).settings.count("HOME"), 0u);
}

TEST(NcclTestsJson, WrongResultsAreFailedObservations) {
  const auto imported = import_fixture("nccl-tests-json/v4.json");
  EXPECT_EQ(imported.observations.at(4).outcome, Outcome::failed);
  EXPECT_THAT(imported.observations.at(4).reason, HasSubstr("2 of the results were wrong"));
}

TEST(NcclTestsJson, NumbersThatAreNoneAreRefusedWithRowAndField) {
  const auto imported = import_fixture("nccl-tests-json/v3_no_end.json");
  EXPECT_EQ(imported.rows_read, 4);
  EXPECT_THAT(reasons(imported),
              ElementsAre("65: results[1]: time is 'nan'", "86: results[2]: alg_bw is 'inf'",
                          "107: results[3]: size 0: nothing is moved"));
  EXPECT_EQ(imported.observations.size(), 4u);  // both of row 0, in-place of rows 1 and 2
  EXPECT_EQ(imported.observations.at(0).policy.graph, "cuda_graph");
  EXPECT_EQ(imported.observations.at(0).verification.method, "none");
  EXPECT_THAT(imported.notes, Contains("the file has no end_time: the run died"));
}

// A trace is replayed in place only.
TEST(NcclTestsJson, AHalfThatIsNullWasNotMeasured) {
  auto json = nlohmann::json::parse(fixture("nccl-tests-json/v4.json"));
  json["results"][0]["out_of_place"] = nullptr;
  const auto imported = import_log(json.dump());
  EXPECT_THAT(reasons(imported), IsEmpty());
  ASSERT_EQ(imported.observations.size(), 5u);
  EXPECT_EQ(imported.observations[0].implementation, "nccl_in_place");
}

TEST(NcclTestsJson, ARunThatWasKilledKeepsItsWholeRows) {
  const auto text = fixture("nccl-tests-json/v4.json");
  const auto in_the_second_row = text.find("2097152", text.find("results")) + 20;
  const auto imported = import_log(text.substr(0, in_the_second_row));
  EXPECT_EQ(imported.rows_read, 2);
  EXPECT_EQ(imported.observations.size(), 2u);
  EXPECT_THAT(reasons(imported), ElementsAre(HasSubstr("the file ends within this row")));
  EXPECT_THAT(imported.notes, Contains("the file has no end_time: the run died"));
}

/// Wherever the file is cut, rows are taken or refused, or the whole file is: nothing else happens.
TEST(NcclTestsJson, NoCutIsTakenForMoreThanItHolds) {
  const auto text = fixture("nccl-tests-json/v4.json");
  for (std::size_t length = 1; length < text.size(); length += 7) {
    try {
      const auto imported = import_log(text.substr(0, length));
      EXPECT_LE(imported.observations.size(), 6u) << length;
      EXPECT_LE(imported.rows_read, 4) << length;
    } catch (const InvalidInput& error) {
      EXPECT_THAT(error.what(), HasSubstr("log.txt"));
    }
  }
}

std::string changed(const std::string& from, const std::string& to) {
  auto text = fixture("nccl-tests-json/v4.json");
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(NcclTestsJson, SaysWhichFieldIsWrong) {
  EXPECT_THAT(what_is_wrong(changed("\"nthreads\":1", "\"nthreads\":\"x\"")),
              HasSubstr("log.txt:1: field 'config.nthreads' has the wrong type"));
  EXPECT_THAT(what_is_wrong(changed("\"results\"", "\"result\"")),
              HasSubstr("field 'results' is missing"));
  EXPECT_THAT(what_is_wrong(changed("\"ngpus\":4", "\"ngpus\":0")),
              HasSubstr("no sound nthreads and ngpus"));
  EXPECT_THAT(reasons(import_log(changed("\"size\":1048576", "\"size\":\"big\""))),
              ElementsAre(HasSubstr("results[0]: log.txt:1: field 'size' has the wrong type")));
  EXPECT_THAT(
      reasons(import_log(changed("\"size\":1048576", "\"size\":2048576"))),
      ElementsAre(HasSubstr("count 262144 of float is 1048576 bytes, but the size is 204")));
  EXPECT_THAT(reasons(import_log(changed("\"alg_bw\":26.051578", "\"alg_bw\":27.051578"))),
              ElementsAre(HasSubstr("alg_bw is not size / time")));
  EXPECT_THAT(reasons(import_log(changed("\"times_us\":[55.0", "\"times_us\":[55.0,-1"))),
              ElementsAre(HasSubstr("times_us holds a time that is not above 0")));
  EXPECT_THAT(reasons(import_log(changed("\"ngpus\":4", "\"ngpus\":2"))),
              Contains(HasSubstr("but all_reduce over 6 ranks (from device lines) gives")));
  EXPECT_THAT(import_log(changed("\"version\":4", "\"version\":9")).notes,
              Contains(HasSubstr("version 9 of its format")));
}

TEST(NcclTestsJson, CpuTimesAreNotTheCollectives) {
  EXPECT_THAT(reasons(import_log(changed("\"time\":40.25", "\"cpu_time\":40.25"))),
              ElementsAre(HasSubstr("of the CPU (option -C)")));
}

TEST(NcclTestsJson, TextWithIterationsHasTheSameRows) {
  const auto imported = import_log(
      "# nThread 1 nGpus 2 minBytes 8 warmup iters: 5 iters: 20\n"
      "#  Rank  0 Group  0 Pid 7 on a device  0 [0000:1b:00] NVIDIA B200\n"
      "#  Rank  1 Group  0 Pid 7 on a device  1 [0000:1c:00] NVIDIA B200\n"
      " 1048576 262144 float sum -1 50.00 20.97 20.97 0 48.10 55.20 54.90 3.10 40.00 26.21 26.21 0 "
      "39.00 44.00 43.50 2.20\n",
      {.operation = "all_reduce"});
  EXPECT_THAT(imported.refused, IsEmpty());
  ASSERT_EQ(imported.observations.size(), 2u);
  EXPECT_NEAR(imported.observations[1].samples_s[0], 40e-6, 1e-12);
}

}  // namespace
}  // namespace moecal::interchange
