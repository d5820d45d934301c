// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/conformal.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "calibration/fit.hpp"
#include "calibration/log_log_table.hpp"
#include "calibration/predict.hpp"
#include "calibration/saturating_roofline.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

std::vector<FitPoint> line(int sizes) {
  std::vector<FitPoint> points;
  for (int i = 0; i < sizes; ++i) {
    const double size = 512.0 * std::pow(2, i);
    points.push_back({{.size = size}, 1e-5 + size / 1e10});
  }
  return points;
}

TEST(Conformal, TakesTheFiniteSampleOrderStatistic) {
  std::vector<double> errors(19);
  std::iota(errors.begin(), errors.end(), 1);  // 1 ... 19: ceil(0.9 x 20) = 18
  EXPECT_EQ(conformal_half_width(errors), 18);
  errors.resize(9);  // ceil(0.9 x 10) = 9: the largest of nine
  EXPECT_EQ(conformal_half_width(errors), 9);
}

TEST(Conformal, AsksNoFurtherFoldOnceTheErrorsAreHopeless) {
  const auto points = line(22);
  const auto folds = folds_by_size(points, 5);
  const auto all = cross_validate(points, folds, fit_log_log_table);
  std::size_t asked = 0;
  const auto few = cross_validate(points, folds, fit_log_log_table,
                                  [&](std::span<const HeldOut>) { return ++asked == 2; });
  EXPECT_EQ(asked, 2U);
  EXPECT_EQ(all.size(), 20U);
  ASSERT_EQ(few.size(), 8U);  // of the first two folds, in the same order
  for (std::size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i].size, all[i].size) << i;
}

TEST(Conformal, WidensWhatItCannotCalibrate) {
  EXPECT_DOUBLE_EQ(conformal_half_width({0.1, 0.2, 0.3, 0.1}), 0.3 * 10 / 5);
  EXPECT_EQ(conformal_half_width({}), kUnknownHalfWidth);
}

TEST(Conformal, KeepsRegimesApart) {
  std::vector<HeldOut> errors;
  for (int i = 0; i < 20; ++i) {
    errors.push_back({100, 0.01});
    errors.push_back({1e6, -0.5});
  }
  const auto quantiles = conformal_quantiles(errors, std::vector<double>{1000});
  ASSERT_EQ(quantiles.size(), 2u);
  EXPECT_DOUBLE_EQ(quantiles[0].half_width_90, 0.01);
  EXPECT_DOUBLE_EQ(quantiles[1].half_width_90, 0.5);
  EXPECT_EQ(quantiles[1].to, 0);
}

TEST(Folds, NeverHoldOutTheEndsOfACurve) {
  const auto folds = folds_by_size(line(8), 3);
  EXPECT_EQ(folds.front(), kAlwaysTrained);
  EXPECT_EQ(folds.back(), kAlwaysTrained);
  EXPECT_EQ(std::set<int>(folds.begin() + 1, folds.end() - 1), (std::set<int>{0, 1, 2}));
}

TEST(Folds, OneOutIsOneSizeUntilThereAreManyOfThem) {
  const auto count = [](int sizes) {
    const auto folds = folds_one_out(line(sizes));
    const std::set<int> distinct{folds.begin(), folds.end()};
    return distinct.size() - 1;  // without those always trained
  };
  EXPECT_EQ(count(22), 20U);
  EXPECT_EQ(count(200), 64U);
}

TEST(Folds, KeepAShapePairTogether) {
  std::vector<FitPoint> points;
  for (double n = 1; n <= 4; ++n)
    for (double m = 1; m <= 3; ++m) points.push_back({{.m = m, .n = n, .k = 7}, 1});
  const auto folds = folds_by_pair(points, 5);
  for (std::size_t i = 0; i < points.size(); i += 3) {
    EXPECT_EQ(folds[i], folds[i + 1]);
    EXPECT_EQ(folds[i], folds[i + 2]);
  }
}

/// The models that cross-validation fits, in its order of folds.
std::vector<std::string> fold_models(const std::vector<FitPoint>& points,
                                     const std::vector<int>& folds) {
  std::vector<std::string> models;
  (void)cross_validate(points, folds, [&](std::span<const FitPoint> training) {
    auto model = fit_segmented_latency_bandwidth(training, 2);
    models.push_back(to_json({"", "", {model}}));
    return model;
  });
  return models;
}

TEST(Folds, HeldOutRowsDoNotReachTheFitThatPredictsThem) {
  auto points = line(12);
  const auto folds = folds_by_size(points, 3);
  const auto before = fold_models(points, folds);
  for (std::size_t i = 0; i < points.size(); ++i)
    if (folds[i] == 1) points[i].seconds *= 7;
  const auto after = fold_models(points, folds);
  ASSERT_EQ(before.size(), 3u);
  EXPECT_EQ(before[1], after[1]);
  EXPECT_NE(before[0], after[0]);
}

/// Curves of one machine: each operation its own costs, all with the same noise.
std::vector<Observation> noisy_machine(unsigned seed) {
  std::vector<Observation> all;
  for (int group = 2; group <= 16; group *= 2)
    for (const char* operation : {"all_reduce", "all_to_all", "all_gather", "broadcast"}) {
      const double latency = 1e-5 * group, rate = 1e10 + 1e9 * operation[4];
      const auto curve =
          synthetic::curve(operation, group, 20, [&](double s) { return latency + s / rate; },
                           {.spread = 0.05, .seed = ++seed * 7919});
      all.insert(all.end(), curve.begin(), curve.end());
    }
  return all;
}

TEST(Conformal, CoversNineTenthsOfFreshPoints) {
  const std::vector<ObservationFile> files{synthetic::file(noisy_machine(1))};
  const auto coefficients = fit(files, {.compact = true}).coefficients;
  int covered = 0, total = 0;
  for (const auto& o : noisy_machine(1000)) {
    const auto answer = predict(
        coefficients,
        {.operation = o.operation, .dtype = "f32", .point = o.point, .group = o.ranks.group});
    ASSERT_TRUE(answer.prediction) << answer.missing;
    covered += o.seconds() >= answer.prediction->lo && o.seconds() <= answer.prediction->hi;
    ++total;
  }
  EXPECT_NEAR(covered / static_cast<double>(total), 0.9, 0.05);
}

}  // namespace
}  // namespace moecal::calibration
