// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/interval_scale.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

Model table(std::vector<std::pair<double, double>> rows) {
  Model model;
  model.form = "log_log_table";
  model.table = std::move(rows);
  return model;
}

TEST(IntervalScale, IsOneOnAStraightCurveAndAtMeasuredSizes) {
  const IntervalScale straight{table({{1, 1}, {2, 2}, {4, 4}, {8, 8}})};
  EXPECT_NEAR(straight.at(3), 1, 1e-9);
  const IntervalScale bent{table({{1, 1}, {2, 1}, {4, 2}, {8, 4}})};
  EXPECT_NEAR(bent.at(2), 1, 1e-9);
  EXPECT_NEAR(bent.at(4), 1, 1e-9);
}

TEST(IntervalScale, GrowsWithTheBendTowardTheMiddleOfAGap) {
  // Slopes 0, 1, 1: beside the second gap they change by 1.
  const IntervalScale scale{table({{1, 1}, {2, 1}, {4, 2}, {8, 4}})};
  const double middle = 1 + 2 * std::log(2) * 0.25 / IntervalScale::kSmooth;
  EXPECT_NEAR(scale.at(std::sqrt(8.0)), middle, 1e-9);
  EXPECT_LT(scale.at(2.2), middle);
  EXPECT_NEAR(scale.at(0.1), middle, 1e-9) << "before the table as in its first gap";
  EXPECT_NEAR(scale.at(100), 1, 1e-9) << "past it as in its last gap";
}

TEST(IntervalScale, IsOneForOtherForms) {
  auto line = table({{1, 1}, {2, 9}, {4, 10}});
  line.form = "pooled_curve";
  EXPECT_EQ(IntervalScale{line}.at(1.5), 1);
}

TEST(IntervalScale, FollowsTheRowsOfAPooledCurve) {
  auto line = table({{1, 1}, {4, 9}, {16, 10}});
  line.form = "pooled_curve";
  line.table_scales = {0.5, 2, 1};
  const IntervalScale scale{line};
  EXPECT_EQ(scale.at(1), 0.5);
  EXPECT_NEAR(scale.at(2), 1.25, 1e-12);
  EXPECT_NEAR(scale.at(4), 2, 1e-12);
  EXPECT_EQ(scale.at(0.1), 0.5);
  EXPECT_EQ(scale.at(16), 1);
  EXPECT_EQ(scale.at(100), 1);
}

TEST(IntervalScale, OfASingleRowIsThatRowsEverywhere) {
  auto line = table({{4, 9}});
  line.form = "pooled_curve";
  line.table_scales = {2.5};
  const IntervalScale scale{line};
  std::vector<double> scales(3);
  const std::vector<double> sizes{1, 4, 16}, logs{0, std::log(4), std::log(16)};
  scale.at(WithLogarithms{sizes, logs}, scales);
  EXPECT_EQ(scales, (std::vector<double>(3, 2.5)));
  for (const double size : sizes) EXPECT_EQ(scale.at(size), 2.5);
}

TEST(IntervalScale, WidensOneCallAndManyAlike) {
  const auto seconds = [](double bytes) { return std::max(1e-5, bytes / 1e10); };
  const std::vector files{
      synthetic::file(synthetic::curve("all_reduce", 4, 16, seconds, {.spread = 0.02}))};
  const auto coefficients = fit(files, {}).coefficients;
  const auto model = std::ranges::find(coefficients.models, "log_log_table", &Model::form);
  ASSERT_NE(model, coefficients.models.end());
  const std::vector<std::int64_t> bytes{2000, 90000, 3000000};
  const std::vector<CallColumn> columns{{"bytes", bytes}};
  std::vector<double> times(3), half_widths(3);
  PreparedModel{*model}.predict(columns, {times, half_widths});
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto p = predict_with(*model, {{"bytes", bytes[i]}});
    EXPECT_NEAR(half_widths[i], std::log(p.hi / p.seconds), 1e-9) << bytes[i];
  }
  EXPECT_GT(half_widths[1], 2 * half_widths[2]) << "the curve bends at 100 kB only";
}

}  // namespace
}  // namespace moecal::calibration
