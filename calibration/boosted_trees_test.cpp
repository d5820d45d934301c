// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/boosted_trees.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "calibration/testing/synthetic.hpp"
#include "calibration/twister.hpp"

namespace moecal::calibration {
namespace {

/// A step in one feature and a wave in another; the third says nothing.
struct Truth {
  FeatureColumns columns{3};
  std::vector<double> targets;

  explicit Truth(int rows, double spike_share = 0) {
    synthetic::Disturbance disturb{{.spread = 0.001, .spike_share = spike_share, .seed = 2}};
    for (int i = 0; i < rows; ++i) {
      columns[0].push_back(i % 17);
      columns[1].push_back(0.01 * (i % 501));
      columns[2].push_back((i * 7919) % 101);
      targets.push_back(value(columns[0].back(), columns[1].back()) + std::log(disturb(1)));
    }
  }
  static double value(double a, double b) { return (a > 8 ? 0.2 : -0.1) + 0.05 * std::sin(3 * b); }
};

double largest_error(const BoostedTrees& trees, const Truth& truth) {
  const auto values = evaluate(trees, truth.columns);
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    largest = std::max(
        largest, std::abs(values[i] - Truth::value(truth.columns[0][i], truth.columns[1][i])));
  return largest;
}

TEST(BoostedTrees, FollowAStepAndAWave) {
  const Truth truth{4000};
  EXPECT_LT(largest_error(fit_boosted_trees(truth.columns, truth.targets, {}), truth), 0.02);
}

TEST(BoostedTrees, SlowSpikesMoveThemLittle) {
  const Truth truth{4000, 0.1};
  EXPECT_LT(largest_error(fit_boosted_trees(truth.columns, truth.targets, {}), truth), 0.04);
}

TEST(BoostedTrees, TheSameRowsGiveTheSameTrees) {
  const Truth truth{1000};
  const auto a = fit_boosted_trees(truth.columns, truth.targets, {});
  const auto b = fit_boosted_trees(truth.columns, truth.targets, {});
  ASSERT_EQ(a.trees.size(), b.trees.size());
  for (std::size_t i = 0; i < a.trees.size(); ++i) {
    EXPECT_EQ(a.trees[i].features, b.trees[i].features);
    EXPECT_EQ(a.trees[i].borders, b.trees[i].borders);
    EXPECT_EQ(a.trees[i].leaves, b.trees[i].leaves);
  }
}

TEST(BoostedTrees, ARowAloneIsWhatItIsAmongOthers) {
  const Truth truth{700};
  const auto trees = fit_boosted_trees(truth.columns, truth.targets, {.trees = 40});
  const auto all = evaluate(trees, truth.columns);
  for (const std::size_t row : {0U, 255U, 256U, 699U}) {
    const FeatureColumns alone{
        {truth.columns[0][row]}, {truth.columns[1][row]}, {truth.columns[2][row]}};
    EXPECT_EQ(evaluate(trees, alone).front(), all[row]) << row;
  }
}

TEST(BoostedTrees, WithoutAnythingToAskAboutAreZero) {
  const FeatureColumns constant{{1, 1, 1}};
  const std::vector<double> targets{1, 2, 3};
  const auto trees = fit_boosted_trees(constant, targets, {});
  EXPECT_EQ(evaluate(trees, constant), (std::vector<double>{0, 0, 0}));
}

TEST(Twister, DrawsTheNumbersOfTheLibrarys) {
  for (const std::uint64_t seed : {0UL, 1UL, 20261121UL, ~0UL}) {
    std::mt19937_64 expected{seed};
    Twister drawn{seed};
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(drawn(), expected()) << seed << ", number " << i;
  }
}

}  // namespace
}  // namespace moecal::calibration
