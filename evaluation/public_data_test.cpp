// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
//
// Holds moecal to its goals on points of real cards that no fit saw. Reads the public tables
// (published by aiconfigurator, Apache-2.0) in the folder $MOECAL_PUBLIC_DATA; they are not part of
// moecal.
#include <gtest/gtest.h>

#include <cstdlib>

#include "evaluation/report.hpp"

namespace moecal::evaluation {
namespace {

/// What a task must reach over everything that it scores; fractions.
struct Goal {
  std::string task;
  double median, p90, least_coverage, most_coverage;
  std::size_t rows;
};

class PublicData : public testing::TestWithParam<Goal> {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("MOECAL_PUBLIC_DATA");
    if (folder == nullptr)
      GTEST_SKIP() << "MOECAL_PUBLIC_DATA names no folder of public tables: nothing is scored";
    folder_ = folder;
  }
  std::string folder_;
};

std::map<std::string, Summary> pooled_rows(const TaskResult& result) {
  std::map<std::string, Summary> pooled;
  for (const auto& row : rows_of(result))
    if (row.card == kAll) pooled[row.form] = row.summary;
  return pooled;
}

TEST_P(PublicData, ReachesItsGoalAndBeatsItsBaselines) {
  const auto goal = GetParam();
  const auto results = run_tasks({folder_, read_splits()}, goal.task);
  ASSERT_EQ(results.size(), 1U);
  const auto pooled = pooled_rows(results[0]);
  const auto& form = results[0].scores.forms().front();
  const auto& own = pooled.at(form);
  EXPECT_EQ(own.n, goal.rows);
  EXPECT_LE(own.median_ape, goal.median);
  EXPECT_LE(own.p90_ape, goal.p90);
  EXPECT_GE(own.coverage_90.value(), goal.least_coverage);
  EXPECT_LE(own.coverage_90.value(), goal.most_coverage);
  for (const auto& [name, baseline] : pooled) {
    EXPECT_LE(own.median_ape, baseline.median_ape) << name;
    EXPECT_LE(own.p90_ape, baseline.p90_ape) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Collectives, PublicData,
    testing::Values(Goal{"collective.points", 0.027, 0.12, 0.87, 0.93, 1824},
                    Goal{"collective.coefficients", 0.037, 0.127, 0.87, 0.93, 1824},
                    Goal{"collective.unseen_group_8", 0.075, 0.21, 0.85, 0.95, 672},
                    Goal{"collective.unseen_group_4", 0.05, 0.14, 0.85, 0.95, 672}),
    [](const auto& info) { return info.param.task.substr(info.param.task.find('.') + 1); });

}  // namespace
}  // namespace moecal::evaluation
