// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "evaluation/testing/test_tables.hpp"
#include "tests/verb_process.hpp"

// `moecal evaluate` as a user runs it.
namespace moecal {
namespace {

using testing::HasSubstr;

class EvaluateVerb : public testing::Test {
 protected:
  EvaluateVerb() { evaluation::test::write_nccl_tables(folder_); }
  [[nodiscard]] VerbOutcome evaluate(const std::string& arguments) const {
    return run_moecal("evaluate --data '" + folder_.path() + "' " + arguments);
  }
  TemporaryFolder folder_;
};

TEST_F(EvaluateVerb, PrintsErrorsCoverageAndBaselines) {
  const auto run = evaluate("--task collective.unseen_group_4");
  EXPECT_EQ(run.status, 0);
  expect_golden("evaluate.txt", run.text);
}

TEST_F(EvaluateVerb, PrintsRowsAsJson) {
  const auto run = evaluate("--task collective.points --json");
  ASSERT_EQ(run.status, 0) << run.text;
  const auto end = run.text.rfind("]\n") + 2;
  EXPECT_THAT(run.text.substr(end),
              HasSubstr("collective.points: not scored: 4 rows of dtype f32"));
  const auto rows = nlohmann::json::parse(run.text.substr(0, end));
  std::size_t pooled = 0;
  for (const auto& row : rows) {
    EXPECT_EQ(row["task"], "collective.points");
    for (const char* name : {"card", "dtype", "form", "n", "median_ape", "p90_ape", "p95_ape",
                             "max_ape", "coverage_90", "half_width_median"})
      EXPECT_TRUE(row.contains(name)) << name;
    pooled += row["card"] == "all" ? 1 : 0;
  }
  EXPECT_EQ(pooled, 6U) << "moecal's form and five baselines";
}

TEST_F(EvaluateVerb, SaysWhatIsWrong) {
  const auto no_task = evaluate("--task 'colective.*'");
  EXPECT_EQ(no_task.status, 2);
  EXPECT_THAT(no_task.text, HasSubstr("no task matches 'colective.*'; the tasks are:"));
  const auto no_table = evaluate("--task gemm.compact");
  EXPECT_EQ(no_table.status, 2);
  EXPECT_THAT(no_table.text, HasSubstr("gemm/b200_sxm_full.csv.gz' does not exist"));
  const auto no_folder = run_moecal("evaluate --data /nowhere/at/all --task 'collective.*'");
  EXPECT_EQ(no_folder.status, 2);
  EXPECT_THAT(no_folder.text, HasSubstr("'/nowhere/at/all' is not a folder"));
  EXPECT_NE(run_moecal("evaluate").status, 0);
}

TEST_F(EvaluateVerb, RefusesATableWithABadRow) {
  auto text = evaluation::test::nccl_table("NVIDIA B200", 600);
  text.replace(text.find("0.00", text.find("all_reduce")), 4, "-0.0");
  folder_.write("nccl/b200_sxm_2.29.2.csv", text);
  const auto run = evaluate("--task collective.points");
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.text, HasSubstr("b200_sxm_2.29.2.csv:3: column 'latency' is not above 0"));
}

}  // namespace
}  // namespace moecal
