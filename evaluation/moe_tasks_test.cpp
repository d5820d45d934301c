// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/moe_tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/report.hpp"
#include "evaluation/testing/test_tables.hpp"

namespace moecal::evaluation {
namespace {

constexpr char kForm[] = "grouped_gemms and gated residual";

class MoeTasks : public testing::Test {
 protected:
  MoeTasks() { test::write_moe_tables(folder_); }
  [[nodiscard]] TaskInput input() const { return {folder_.path(), read_splits()}; }
  [[nodiscard]] std::vector<PublicTable> one_table() const {
    auto tables = read_public_tables(folder_.path(), read_splits().at("moe.known_model"));
    tables.resize(1);
    return tables;
  }
  TemporaryFolder folder_;
};

/// As evaluation/splits.json says it.
std::string key_of(const Point& point) {
  std::string key;
  for (const char* name :
       {"hidden", "inter", "top_k", "experts", "tensor_parallel", "expert_parallel"})
    key += (key.empty() ? "" : ",") + std::to_string(point.at(name));
  return key;
}

TEST_F(MoeTasks, HeldOutRowsDoNotReachTheFit) {
  auto tables = one_table();
  const auto clean = folds_of(sets_of_configurations(tables, 5));
  // The held-out rows of the first fold, made nonsense of in the table itself.
  std::set<int> parts;
  for (const auto& o : tables[0].rows.observations) parts.insert(fold_of(key_of(o.point), 5));
  for (auto& o : tables[0].rows.observations)
    if (fold_of(key_of(o.point), 5) == *parts.begin()) o.samples_s = {1e3};
  const auto dirty = folds_of(sets_of_configurations(tables, 5));
  ASSERT_EQ(clean.size(), dirty.size());
  const auto json = [](const LayerFold& fold) { return calibration::to_json(fit_layers(fold)); };
  ASSERT_NE(clean[0].unseen[0].seconds, dirty[0].unseen[0].seconds);
  EXPECT_EQ(json(clean[0]), json(dirty[0]));
}

TEST_F(MoeTasks, HeldOutModelsDoNotReachTheFit) {
  auto tables = one_table();
  const auto clean = folds_of(sets_of_models(tables));
  const auto first = tables[0].rows.observations.front().point.at("experts");
  for (auto& o : tables[0].rows.observations)
    if (o.point.at("experts") == first) o.samples_s = {1e3};
  const auto dirty = folds_of(sets_of_models(tables));
  ASSERT_NE(clean[0].unseen[0].seconds, dirty[0].unseen[0].seconds);
  EXPECT_EQ(calibration::to_json(fit_layers(clean[0])), calibration::to_json(fit_layers(dirty[0])));
}

TEST_F(MoeTasks, ConfigurationsAndModelsAreHeldOutWhole) {
  const auto tables = one_table();
  std::size_t rows = 0;
  const auto folds = folds_of(sets_of_configurations(tables, 5));
  for (const auto& fold : folds) {
    EXPECT_EQ(fold.seen.size() + fold.unseen.size(), tables[0].rows.observations.size());
    EXPECT_EQ(fold.unseen.size() % 14, 0U) << "7 token counts and 2 routings of a configuration";
    rows += fold.unseen.size();
  }
  EXPECT_EQ(rows, tables[0].rows.observations.size());
  const auto models = folds_of(sets_of_models(tables));
  ASSERT_EQ(models.size(), 3U);
  for (const auto& fold : models) {
    EXPECT_EQ(fold.unseen.size(), 56U);
    EXPECT_EQ(fold.rows.unseen.size(), 56U);
    const auto fitted = fit_layers(fold).models;
    ASSERT_EQ(fitted.size(), 1U);
    EXPECT_EQ(fitted.front().layer_models.size(), 2U);
  }
}

TEST_F(MoeTasks, ScoreEveryRowOnceBesideBaselines) {
  const auto results = run_tasks(input(), "moe.*");
  ASSERT_EQ(results.size(), 2U);
  for (const auto& result : results) {
    std::map<std::string, Summary> pooled;
    for (const auto& row : rows_of(result))
      if (row.card == kAll) pooled[row.form] = row.summary;
    EXPECT_EQ(pooled.size(), 5U);
    for (const auto& [form, summary] : pooled) EXPECT_EQ(summary.n, 3U * 168) << form;
    EXPECT_EQ(result.scores.forms().front(), kForm);
    EXPECT_TRUE(pooled.at(kForm).coverage_90.has_value());
    EXPECT_FALSE(pooled.at("baseline: roofline").coverage_90.has_value());
    EXPECT_EQ(result.not_scored.at("dtype nvfp4"), 3);
  }
}

}  // namespace
}  // namespace moecal::evaluation
