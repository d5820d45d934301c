// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/collective_tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/report.hpp"
#include "evaluation/testing/test_tables.hpp"

namespace moecal::evaluation {
namespace {

using testing::HasSubstr;

class CollectiveTasks : public testing::Test {
 protected:
  CollectiveTasks() { test::write_nccl_tables(folder_); }
  [[nodiscard]] TaskInput input() const { return {folder_.path(), read_splits()}; }
  TemporaryFolder folder_;
};

/// The rows with those of one phase made nonsense of.
PublicTable corrupted(PublicTable table, int phase, int phases) {
  const auto phase_of = phases_of_sizes(table.rows.observations, phases);
  for (std::size_t i = 0; i < phase_of.size(); ++i)
    if (phase_of[i] == phase) table.rows.observations[i].samples_s = {1e3};
  return table;
}

TEST_F(CollectiveTasks, HeldOutRowsDoNotReachTheFit) {
  const auto split = read_splits().at("collective.points");
  auto tables = read_public_tables(folder_.path(), split);
  tables.resize(1);
  const auto folds = folds_of_sizes(tables, split.phases);
  ASSERT_EQ(folds.size(), 3U);
  for (int phase = 0; phase < split.phases; ++phase) {
    const auto other = folds_of_sizes({corrupted(tables[0], phase, split.phases)}, split.phases);
    const auto& clean = folds[static_cast<std::size_t>(phase)];
    const auto& dirty = other[static_cast<std::size_t>(phase)];
    ASSERT_FALSE(clean.unseen.empty());
    ASSERT_NE(clean.unseen[0].seconds(), dirty.unseen[0].seconds());
    EXPECT_EQ(calibration::to_json(fit_seen(clean)), calibration::to_json(fit_seen(dirty)));
  }
}

TEST_F(CollectiveTasks, HeldOutGroupsDoNotReachTheFit) {
  const auto tables = read_public_tables(folder_.path(), read_splits().at("collective.points"));
  auto nonsense = tables;
  for (auto& o : nonsense[0].rows.observations)
    if (o.ranks.group == 8) o.samples_s = {1e3};
  const auto clean = folds_of_group(tables, 8), dirty = folds_of_group(nonsense, 8);
  ASSERT_EQ(clean.size(), 4U);
  ASSERT_NE(clean[0].unseen[0].seconds(), dirty[0].unseen[0].seconds());
  EXPECT_EQ(calibration::to_json(fit_seen(clean[0])), calibration::to_json(fit_seen(dirty[0])));
  EXPECT_NE(calibration::to_json(fit_seen(clean[1])), calibration::to_json(fit_seen(dirty[1])))
      << "for the other cards it is a donor";
}

TEST_F(CollectiveTasks, OtherCardsDoNotReachTheFitOfACardAlone) {
  const auto tables = read_public_tables(folder_.path(), read_splits().at("collective.points"));
  auto nonsense = tables;
  for (std::size_t i = 1; i < nonsense.size(); ++i)
    for (auto& o : nonsense[i].rows.observations) o.samples_s = {1e3};
  const auto clean = folds_of_group(tables, 8, OtherCards::unseen),
             dirty = folds_of_group(nonsense, 8, OtherCards::unseen);
  ASSERT_EQ(clean.size(), 4U);
  EXPECT_FALSE(clean[0].unseen.empty());
  EXPECT_EQ(calibration::to_json(fit_seen(clean[0])), calibration::to_json(fit_seen(dirty[0])));
}

TEST_F(CollectiveTasks, ScoreEveryInteriorRowOnceAndBesideBaselines) {
  const auto results = run_tasks(input(), "collective.[pc]o*");
  ASSERT_EQ(results.size(), 2U);
  for (const auto& result : results) {
    std::map<std::string, Summary> pooled;
    for (const auto& row : rows_of(result))
      if (row.card == kAll) pooled[row.form] = row.summary;
    EXPECT_EQ(pooled.size(), 6U);
    for (const auto& [form, summary] : pooled) EXPECT_EQ(summary.n, 4U * 2 * 2 * 3 * 7) << form;
    const auto& own = pooled.at(result.scores.forms().front());
    EXPECT_LT(own.median_ape, 0.05) << result.task;
    EXPECT_TRUE(own.coverage_90.has_value());
    EXPECT_EQ(result.not_scored.at("dtype f32"), 4);
  }
}

TEST_F(CollectiveTasks, AGlobThatMatchesNothingListsTheTasks) {
  try {
    (void)run_tasks(input(), "colective.*");
    FAIL() << "nothing was said";
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("no task matches 'colective.*'"));
    EXPECT_THAT(error.what(), HasSubstr("collective.points"));
  }
}

}  // namespace
}  // namespace moecal::evaluation
