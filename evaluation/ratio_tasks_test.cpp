// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "evaluation/report.hpp"
#include "evaluation/testing/test_tables.hpp"

namespace moecal::evaluation {
namespace {

TEST(RatioTasks, ScoreEveryPairOfCardsAtWhatNeitherFitSaw) {
  const TemporaryFolder folder;
  test::write_nccl_tables(folder);
  const auto results = run_tasks({folder.path(), read_splits()}, "ratio.*");
  ASSERT_EQ(results.size(), 1U);
  std::map<std::string, Summary> pooled;
  std::set<std::string> pairs;
  for (const auto& row : rows_of(results[0])) {
    if (row.card == kAll) pooled[row.form] = row.summary;
    pairs.insert(row.card);
  }
  EXPECT_EQ(pairs.size(), 6U + 1);
  const auto& shared = pooled.at("shared error factors");
  const auto& independent = pooled.at("baseline: independent errors");
  EXPECT_EQ(shared.n, 6U * 2 * 2 * 3 * 7) << "pairs, operations, dtypes, groups, interior sizes";
  EXPECT_LT(shared.median_ape, 0.05);
  EXPECT_LT(shared.half_width_median.value(), independent.half_width_median.value());
}

}  // namespace
}  // namespace moecal::evaluation
