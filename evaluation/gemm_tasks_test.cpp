// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/gemm_tasks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "evaluation/baselines_gemm.hpp"
#include "evaluation/report.hpp"
#include "evaluation/testing/test_tables.hpp"

namespace moecal::evaluation {
namespace {

/// 250 TFLOP/s and 1 TB/s, which every card of the tables has, with a ripple over m.
double gemm_ms(double m, double n, double k) {
  const double ripple = 1 + 0.03 * std::sin(2 * std::log2(m) + std::log2(n));
  return ripple * (3e-3 + 2 * m * n * k / 2.5e11 + 2 * (m * k + k * n + m * n) / 1e9);
}

std::string gemm_table(const std::string& device, int sizes) {
  std::string text =
      "invented\nframework,version,device,op_name,kernel_source,gemm_dtype,m,n,k,latency\n";
  const auto row = [&](const std::string& dtype, int m, int n, int k) {
    text += "TRTLLM,1.0," + device + ",gemm,torch_flow," + dtype + "," + std::to_string(m) + "," +
            std::to_string(n) + "," + std::to_string(k) + "," + std::to_string(gemm_ms(m, n, k)) +
            "\n";
  };
  for (int i = 0; i < sizes; ++i)
    for (const int n : {512, 1024, 2048, 4096})
      for (const int k : {512, 1536, 4096, 8192}) row("bfloat16", 4 << i, n, k);
  row("nvfp4", 16, 512, 512);
  return text;
}

class GemmTasks : public testing::Test {
 protected:
  void write(int sizes) const {
    folder_.write("gemm/b200_sxm_full.csv.gz", gemm_table("NVIDIA B200", sizes));
    folder_.write("gemm/h200_sxm_full.csv.gz", gemm_table("NVIDIA H200", sizes));
    folder_.write("gemm/h100_sxm_full.csv.gz", gemm_table("NVIDIA H100 80GB HBM3", sizes));
    folder_.write("gemm/a100_sxm_full.csv.gz", gemm_table("NVIDIA A100-SXM4-80GB", sizes));
  }
  [[nodiscard]] GemmSet first_set() const {
    const auto splits = read_splits();
    return gemm_sets(read_public_tables(folder_.path(), splits.at("gemm.dense"))).front();
  }
  TemporaryFolder folder_;
};

/// The rows that are not seen in a fold made nonsense of.
GemmSet corrupted(GemmSet set, int fold, int folds) {
  std::set<Point> unseen;
  for (const auto& o : fold_of_pairs(set, fold, folds).unseen) unseen.insert(o.point);
  for (auto& o : set.rows.observations)
    if (unseen.contains(o.point)) o.samples_s = {1e3};
  return set;
}

TEST_F(GemmTasks, HeldOutRowsDoNotReachTheFitNorItsInterval) {
  write(10);
  const auto set = first_set();
  const auto clean = fold_of_pairs(set, 1, 5), dirty = fold_of_pairs(corrupted(set, 1, 5), 1, 5);
  ASSERT_FALSE(clean.unseen.empty());
  ASSERT_NE(clean.unseen[0].seconds(), dirty.unseen[0].seconds());
  const auto a = fit_gemms(clean), b = fit_gemms(dirty);
  EXPECT_TRUE(a.residual.has_value());
  EXPECT_EQ(calibration::to_json({"", "", {a}}), calibration::to_json({"", "", {b}}));
}

TEST_F(GemmTasks, HeldOutRowsDoNotReachTheFitOfFewRows) {
  write(10);
  const auto set = first_set();
  const auto few = [](const GemmSet& of) { return with_few_rows(fold_of_pairs(of, 1, 5), 1, 120); };
  const auto clean = few(set), dirty = few(corrupted(set, 1, 5));
  ASSERT_NE(clean.unseen[0].seconds(), dirty.unseen[0].seconds());
  EXPECT_EQ(calibration::to_json({"", "", {fit_gemms(clean)}}),
            calibration::to_json({"", "", {fit_gemms(dirty)}}));
}

TEST_F(GemmTasks, PairsStayTogetherAndAreEachUnseenOnce) {
  write(3);
  const auto set = first_set();
  std::size_t unseen = 0;
  for (int number = 0; number < 5; ++number) {
    const auto fold = fold_of_pairs(set, number, 5);
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    for (const auto& o : fold.seen.observations) seen.insert({o.point.at("n"), o.point.at("k")});
    for (const auto& o : fold.unseen)
      EXPECT_FALSE(seen.contains({o.point.at("n"), o.point.at("k")}));
    unseen += fold.unseen.size();
    const auto few = with_few_rows(fold, number, 20);
    EXPECT_EQ(few.seen.observations.size(), 20U);
    EXPECT_EQ(few.unseen.size(), fold.unseen.size());
  }
  EXPECT_EQ(unseen, set.rows.observations.size());
}

TEST_F(GemmTasks, ScoreEveryRowOnceAndBesideBaselines) {
  write(5);
  const auto results = run_tasks({folder_.path(), read_splits()}, "gemm.[cd]*");
  ASSERT_EQ(results.size(), 2U);
  for (const auto& result : results) {
    std::map<std::string, Summary> pooled;
    for (const auto& row : rows_of(result))
      if (row.card == kAll) pooled[row.form] = row.summary;
    EXPECT_EQ(pooled.size(), 5U);
    for (const auto& [form, summary] : pooled) EXPECT_EQ(summary.n, 4U * 5 * 16) << form;
    const auto& own = pooled.at(result.scores.forms().front());
    EXPECT_LT(own.median_ape, 0.05) << result.task;
    EXPECT_TRUE(own.coverage_90.has_value());
    EXPECT_EQ(result.not_scored.at("dtype nvfp4"), 4);
  }
}

TEST_F(GemmTasks, BaselinesAreExactWhereTheirAssumptionHolds) {
  write(2);
  const auto set = first_set();
  auto rows = set.rows;
  for (auto& o : rows.observations) {
    const auto inputs = calibration::inputs_of(o.operation, o.point, o.dtypes);
    o.samples_s = {inputs.flops / 1e14};
  }
  for (const auto& baseline : baselines_of_gemms(rows, {1e15, 1e18, true})) {
    if (baseline.name.find("launch") != std::string::npos) continue;  // it always has a launch
    const auto& o = rows.observations.front();
    EXPECT_NEAR(baseline.predictor(o).seconds / o.seconds(), 1, 1e-3) << baseline.name;
  }
}

TEST_F(GemmTasks, CompactCoefficientsHaveTheCompactFormsInterval) {
  calibration::Model model;
  model.residual_quantiles = {{0, 0, 0.1, 50}};
  model.residual.emplace();
  model.residual->compact_quantiles = {{0, 0, 0.3, 50}};
  const auto compact = without_residual(model);
  EXPECT_FALSE(compact.residual.has_value());
  EXPECT_EQ(compact.residual_quantiles.front().half_width_90, 0.3);
}

}  // namespace
}  // namespace moecal::evaluation
