// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/report.hpp"
#include "evaluation/task.hpp"
#include "evaluation/testing/test_tables.hpp"

namespace moecal::evaluation {
namespace {

std::map<std::string, Summary> pooled(const TaskResult& result) {
  std::map<std::string, Summary> summaries;
  for (const auto& row : rows_of(result))
    if (row.card == kAll) summaries[row.form] = row.summary;
  return summaries;
}

TEST(SuggestTasks, ScoreTheSameRowsForAChoiceAndForGrids) {
  TemporaryFolder folder;
  test::write_nccl_tables(folder);
  const auto results = run_tasks({folder.path(), read_splits()}, "suggest.*");
  ASSERT_EQ(results.size(), 1U);
  const auto forms = pooled(results[0]);
  EXPECT_THAT(forms, testing::SizeIs(5));
  for (const auto& [form, summary] : forms) EXPECT_EQ(summary.n, forms.begin()->second.n) << form;
  const auto& few = forms.at("suggested 48 points");
  EXPECT_LT(few.median_ape, 0.1);
  EXPECT_LT(few.p90_ape, forms.at("baseline: grid of 72 points, interpolated").p90_ape);
}

}  // namespace
}  // namespace moecal::evaluation
