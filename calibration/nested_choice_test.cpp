// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/nested_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// A line whose fold 0 follows another law.
std::vector<FitPoint> points_of(const std::vector<int>& folds, double odd_factor) {
  std::vector<FitPoint> points;
  for (std::size_t i = 0; i < folds.size(); ++i) {
    const double size = 1000.0 * static_cast<double>(i + 1);
    points.push_back({{.size = size}, size * 1e-9 * (folds[i] == 0 ? odd_factor : 1)});
  }
  return points;
}

/// A form without a fit: `factor` times a nanosecond per byte, whatever it was trained on.
FitFunction constant(double factor, std::vector<std::size_t>* trained = nullptr) {
  return [=](std::span<const FitPoint> training) {
    if (trained != nullptr) trained->push_back(training.size());
    Model model;
    model.form = "segmented_latency_bandwidth";
    model.parameters = {{"latency", 0, "s", 0}, {"inverse_bandwidth_1", factor * 1e-9, "s/B", 0}};
    return model;
  };
}

TEST(NestedChoice, AFoldHasNoSayInTheFormThatPredictsIt) {
  // Fold 0 follows the second form and outnumbers the others: that form wins. Chosen without fold 0
  // the first one is exact, so fold 0 is predicted by a form that never fitted it.
  const std::vector<int> folds{0, 0, 0, 0, 1, 2};
  const auto points = points_of(folds, 1.3);
  const auto choice = choose_nested(points, folds, std::vector{constant(1), constant(1.3)});
  EXPECT_EQ(choice.form, 1u);
  ASSERT_EQ(choice.held_out.size(), points.size());
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(choice.held_out[i].log_ratio, -std::log(1.3), 1e-12);
}

TEST(NestedChoice, ARicherFormMustBeClearlyBetter) {
  const std::vector<int> folds{0, 1, 2, 0, 1, 2};
  const auto points = points_of(folds, 1);
  EXPECT_EQ(choose_nested(points, folds, std::vector{constant(1.1), constant(1.0999)}).form, 0u);
  EXPECT_EQ(choose_nested(points, folds, std::vector{constant(1.1), constant(1.05)}).form, 1u);
}

TEST(NestedChoice, FitsEachFormWithoutEveryFoldAndEveryPair) {
  const std::vector<int> folds{kAlwaysTrained, 0, 1, 2, kAlwaysTrained};
  std::vector<std::size_t> trained;
  (void)choose_nested(points_of(folds, 1), folds, std::vector{constant(1, &trained)});
  std::sort(trained.begin(), trained.end());
  EXPECT_EQ(trained, (std::vector<std::size_t>{3, 3, 3, 4, 4, 4}));
}

TEST(NestedChoice, AFormThatCannotBeFittedIsNotChosen) {
  const std::vector<int> folds{0, 1, 0, 1};
  const FitFunction impossible = [](std::span<const FitPoint>) -> Model {
    throw InvalidInput{"too few points"};
  };
  const auto choice =
      choose_nested(points_of(folds, 1), folds, std::vector{constant(2), impossible});
  EXPECT_EQ(choice.form, 0u);
  EXPECT_EQ(choice.held_out.size(), 4u);
}

}  // namespace
}  // namespace moecal::calibration
