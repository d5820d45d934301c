// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "calibration/testing/synthetic.hpp"
#include "tests/verb_process.hpp"

// `moecal suggest` as a user runs it.
namespace moecal {
namespace {

using testing::HasSubstr;

std::string in_temp(const std::string& name) { return testing::TempDir() + name; }

/// All-reduce over 4 ranks at three sizes: the library switches between the last two.
std::string observations() {
  const std::string path = in_temp("suggest_seen.jsonl");
  std::ofstream file{path};
  file << to_json_line(calibration::synthetic::environment()) << "\n";
  const std::map<std::int64_t, double> seconds{{1024, 1e-5}, {65536, 2e-5}, {1 << 20, 9e-3}};
  for (const auto& [bytes, time] : seconds) {
    auto o = calibration::synthetic::observation("all_reduce", {{"bytes", bytes}}, time);
    o.ranks.group = o.ranks.world = 4;
    file << to_json_line(o) << "\n";
  }
  return path;
}

TEST(SuggestVerb, RanksPointsAndWritesASuite) {
  const auto suite = in_temp("suggest_suite.jsonl");
  const auto run = run_moecal("suggest " + observations() +
                              " --operation all_reduce --group 4 --count 2"
                              " --range bytes=1024:1048576 --out " +
                              suite);
  EXPECT_EQ(run.status, 0);
  expect_golden("suggest.txt", run.text.substr(0, run.text.find("wrote ")));
  expect_golden("suggest_suite.jsonl", read_file(suite));
}

TEST(SuggestVerb, TakesTheWishesOfADocument) {
  const auto run = run_moecal("suggest --document b200-8gpu --claim 'dp2-ep4*' --count 3");
  EXPECT_EQ(run.status, 0) << run.text;
  EXPECT_THAT(run.text, HasSubstr("all_to_all bytes=4194304 bf16 group 4 intra"));
}

// What predict reads a grouped GEMM without a word on routing as is not what a suite takes it for.
TEST(SuggestVerb, WritesTheRoutingIntoTheSuite) {
  const auto suite = in_temp("suggest_routed.jsonl");
  const std::string ask =
      "suggest --operation grouped_gemm --range groups=8 m=256 n=512 k=512 --out " + suite;
  EXPECT_EQ(run_moecal(ask).status, 0);
  EXPECT_THAT(read_file(suite), HasSubstr(R"("routing":{"distribution":"balanced")"));
  EXPECT_EQ(run_moecal(ask + " --routing power_law --exponent 1.5 --capacity 2").status, 0);
  EXPECT_THAT(read_file(suite),
              HasSubstr(R"({"distribution":"power_law","exponent":1.5,"capacity_factor":2.0})"));
}

TEST(SuggestVerb, WritesNoSuiteWithoutAPoint) {
  const auto suite = in_temp("suggest_nothing.jsonl");
  const auto run =
      run_moecal("suggest " + observations() +
                 " --operation all_reduce --group 4 --range bytes=1024 --out " + suite);
  EXPECT_EQ(run.status, 0) << run.text;
  EXPECT_THAT(run.text, HasSubstr("was not written: there is nothing to measure"));
  EXPECT_FALSE(std::filesystem::exists(suite));
}

TEST(SuggestVerb, HasAProgramForAllThatTheDocumentsWishFor) {
  for (const char* document :
       {"b200-8gpu", "ep64-tp2-128gpu", "megatron-guide", "moe10b-16gpu", "moe30b-128gpu"}) {
    const auto run = run_moecal(std::string{"suggest --count 1 --document "} + document);
    EXPECT_EQ(run.status, 0) << run.text;
    EXPECT_THAT(run.text, testing::Not(HasSubstr("no benchmark program measures"))) << document;
  }
}

// Doublings past the largest number there is would have no end.
TEST(SuggestVerb, TakesTheLargestSizes) {
  const auto run = run_moecal(
      "suggest --operation all_reduce --group 2 --count 1 --range "
      "bytes=4611686018427387904:9223372036854775807");
  EXPECT_EQ(run.status, 0) << run.text;
  EXPECT_THAT(run.text, HasSubstr("2 predictions wished for"));
}

TEST(SuggestVerb, TakesAnUnmeasuredGroupsTypeFromMeasuredGroups) {
  const auto run = run_moecal("suggest " + observations() +
                              " --operation all_reduce --group 3 --count 1 --range bytes=1024");
  EXPECT_EQ(run.status, 0) << run.text;
  EXPECT_THAT(run.text, HasSubstr("all_reduce bytes=1024 f32 group 3 intra"));
  EXPECT_THAT(run.text, HasSubstr("only other groups are measured"));
}

TEST(SuggestVerb, SaysWhatADocumentWishesForThatTheCardCannotDo) {
  const auto run = run_moecal("suggest --card a100-64 --document b200-8gpu --count 3");
  EXPECT_EQ(run.status, 0) << run.text;
  EXPECT_THAT(run.text, HasSubstr("wished for, but not to be measured: "));
  EXPECT_THAT(run.text, HasSubstr("a node of a100-64 has 4 devices: a group of 8 crosses nodes"));
}

TEST(SuggestVerb, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "say what you care about"},
      {"--document b200-8gpu --operation all_reduce", "say what you care about"},
      {"--operation all_reduce", "wants the sizes you care about"},
      {"--operation all_reduce --group 2 --range bytes=4:2", "'bytes=4:2' is not"},
      {"--operation all_reduce --group 2 --range bytes", "'bytes' is not"},
      {"--operation all_reduce --group 2 --range size=1:2", "all_reduce has one size"},
      {"--operation all_reduce --group 2 --range bytes=1:2 m=3", "all_reduce has one size"},
      {"--operation all_reduce --group 2 --range bytes=1:2 --range bytes=4", "gives bytes twice"},
      {"--operation all_reduce --group 2 --routing uniform --range bytes=1:2", "is not routed"},
      {"--operation expert_gemm --range m=1:9223372036854775807 n=1:1073741824 k=1:1073741824",
       "makes more than 2000 points"},
      {"--operation all_reduce --range bytes=1:2", "how many ranks has it? --group"},
      {"--operation all_reduce --group 0 --range bytes=1:2", "--group 0: all_reduce is over two"},
      {"--operation expert_gemm --group 2 --range m=1:2", "expert_gemm is a call of one rank"},
      {"--operation foo --range bytes=1:2", "no benchmark program measures 'foo'; they measure: "},
      {"--operation all_reduce --group 4 --dtype bogus --range bytes=1:2", "unknown dtype 'bogus'"},
      {"--operation all_reduce --group 4 --tier foo --range bytes=1:2", "--tier"},
      {"--operation all_reduce --group 4 --count -5 --range bytes=1:2", "--count"},
      {"--operation all_reduce --group 4 --count 0 --range bytes=1:2", "--count"},
      {"--card b200-sxm --operation all_reduce --group 16 --range bytes=1:2",
       "a node of b200-sxm has 8 devices: a group of 16 crosses nodes"},
      {"--document nowhere", "no document 'nowhere'"},
      {"missing.jsonl --operation all_reduce --group 2 --range bytes=1:2", "missing.jsonl"}};
  for (const auto& [arguments, message] : cases) {
    const auto run = run_moecal("suggest " + arguments);
    EXPECT_EQ(run.status, 2) << arguments;
    EXPECT_THAT(run.text, HasSubstr(message)) << arguments;
  }
}

}  // namespace
}  // namespace moecal
