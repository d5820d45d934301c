// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/gaussian_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// Places on a line, alike as exp(-|distance|).
double on_a_line(double a, double b) { return std::exp(-std::abs(a - b)); }

std::vector<double> covariance_of(const std::vector<double>& places) {
  std::vector<double> result;
  for (const double a : places)
    for (const double b : places) result.push_back(on_a_line(a, b));
  return result;
}

TEST(GaussianProcess, WeighsOneNoisyValueByHand) {
  // Variance 1, noise 1/3: the value counts for 1 / (1 + 1/3) = 3/4 at its own place.
  const std::vector<double> covariance{1}, values{2}, same{1}, apart{0.5};
  const GaussianProcess process{covariance, 1.0 / 3, values};
  EXPECT_DOUBLE_EQ(process.mean(same), 1.5);
  EXPECT_DOUBLE_EQ(process.variance(1, same), 0.25);
  EXPECT_DOUBLE_EQ(process.mean(apart), 0.75);
  EXPECT_DOUBLE_EQ(process.variance(1, apart), 1 - 0.25 * 0.75);
}

TEST(GaussianProcess, LeavesOutWhatAFitWithoutAValueWouldSay) {
  const std::vector<double> places{0, 1, 2.5, 4}, values{1, 0.2, -0.5, 0.3};
  constexpr double kNoise = 0.01;
  const auto left_out = GaussianProcess{covariance_of(places), kNoise, values}.left_out();
  for (std::size_t out = 0; out < places.size(); ++out) {
    std::vector<double> others, known, cross;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (i == out) continue;
      others.push_back(places[i]);
      known.push_back(values[i]);
      cross.push_back(on_a_line(places[i], places[out]));
    }
    const GaussianProcess without{covariance_of(others), kNoise, known};
    EXPECT_NEAR(left_out[out].error, without.mean(cross) - values[out], 1e-12);
    EXPECT_NEAR(left_out[out].standard_deviation, std::sqrt(without.variance(1, cross) + kNoise),
                1e-12);
  }
}

TEST(GaussianProcess, LeavesOutTogetherWhatSharesAName) {
  const std::vector<double> places{0, 1, 1.5, 4}, values{0.1, 0.5, -0.3, 0.2};
  const std::vector<std::string> names{"a", "b", "b", "c"};
  constexpr double kNoise = 0.01;
  const auto left_out = GaussianProcess{covariance_of(places), kNoise, values}.left_out(names);
  const std::vector<double> others{0, 4}, others_values{0.1, 0.2};
  const GaussianProcess without{covariance_of(others), kNoise, others_values};
  for (const std::size_t out : {1, 2}) {
    std::vector<double> cross;
    for (const double place : others) cross.push_back(on_a_line(place, places[out]));
    EXPECT_NEAR(left_out[out].error, without.mean(cross) - values[out], 1e-12);
    EXPECT_NEAR(left_out[out].standard_deviation, std::sqrt(without.variance(1, cross) + kNoise),
                1e-12);
  }
}

TEST(GaussianProcess, RefusesTwoNoiselessValuesAtOnePlace) {
  const std::vector<double> covariance{1, 1, 1, 1}, values{1, 2};
  EXPECT_THROW((GaussianProcess{covariance, 0, values}), Error);
}

/// Known at 0; candidates at 0, 4 and 10; targets at 3, 5 and 11.
DesignProblem line_problem(std::vector<double> weights) {
  const std::vector<double> places{0, 0, 4, 10, 3, 5, 11};
  return {.known = 1,
          .candidates = 3,
          .targets = 3,
          .covariance = [places](std::size_t a,
                                 std::size_t b) { return on_a_line(places[a], places[b]); },
          .noise_variance = 1e-4,
          .weights = std::move(weights)};
}

std::vector<std::size_t> chosen(const Design& design) {
  std::vector<std::size_t> result;
  for (const auto& choice : design.choices) result.push_back(choice.candidate);
  return result;
}

TEST(Design, TakesWhatNarrowsMostAndLeavesWhatIsKnown) {
  const auto result = design(line_problem({1, 1, 1}), 3);
  EXPECT_THAT(chosen(result), testing::ElementsAre(1, 2));  // 4 serves two targets; 0 is known
  EXPECT_LT(result.choices[0].standard_deviation, result.standard_deviation);
  EXPECT_LT(result.choices[1].standard_deviation, result.choices[0].standard_deviation);
}

TEST(Design, FollowsTheWeights) {
  EXPECT_THAT(chosen(design(line_problem({0.01, 0.01, 1}), 1)), testing::ElementsAre(2));
}

}  // namespace
}  // namespace moecal::calibration
