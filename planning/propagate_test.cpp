// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/propagate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "planning/testing/one_claim.hpp"

namespace moecal::planning {
namespace {

TEST(Propagate, RatiosOfOneModelAreTighterThanTheirParts) {
  const auto source = fake_measurements(1e-9, 1.5);
  const auto width = [&](const std::string& formula) {
    const Expression expression{formula, {}, "here"};
    const auto interval = interval_of(draw_values(expression, evaluate(expression, source).calls));
    return std::log(interval->hi / interval->lo);
  };
  const double single = width("all_reduce(1e9, 2, nvlink)");
  EXPECT_NEAR(single, 2 * std::log(1.5), 0.05);
  const double same = width("all_reduce(2e9, 2, nvlink)/all_reduce(1e9, 2, nvlink)");
  const double other = width("all_to_all(2e9, 2, nvlink)/all_reduce(1e9, 2, nvlink)");
  EXPECT_LT(same, other);
  EXPECT_LT(other, single * std::sqrt(2.0));
  EXPECT_NEAR(width("all_reduce(1e9, 2, nvlink)/all_reduce(1e9, 2, nvlink)"), 0, 1e-12);
  EXPECT_EQ(width("all_reduce(1e9, 2, nvlink)"), single);  // the same draws every time
}

// What was measured shares how it was measured; what comes from a spec sheet does not.
TEST(Propagate, ATransferredTimeSharesNoErrorWithAMeasuredOne) {
  const auto width = [](const std::string& provenance) {
    const auto cost = [](const std::string& id, const std::string& how) {
      return Cost{{{"all_reduce", 1e-3, 0.5e-3, 2e-3, id, how, {}}}, ""};
    };
    const auto mine = draw_cost(cost("a", "imported"), "call", "first");
    auto ratios = draw_cost(cost("b", provenance), "call", "second");
    for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] /= mine[i];
    const auto interval = interval_of(ratios);
    return std::log(interval->hi / interval->lo);
  };
  const double independent = std::sqrt(2.0) * std::log(4.0);
  EXPECT_NEAR(width("transferred"), independent, 0.05 * independent);
  EXPECT_NEAR(width("imported"), std::sqrt(0.8) * independent, 0.05 * independent);
}

TEST(Propagate, ADivisorThatMayVanishHasNoInterval) {
  const auto source = fake_measurements(1e-9, 1.2);
  const auto interval = [&](const std::string& formula) {
    const Expression expression{formula, {}, "here"};
    return interval_of(draw_values(expression, evaluate(expression, source).calls));
  };
  const std::string difference = "(all_reduce(1.02e9, 2, nvlink)-all_to_all(1e9, 2, nvlink))";
  EXPECT_TRUE(interval(difference));
  EXPECT_LT(interval(difference)->lo, 0);
  EXPECT_GT(interval(difference)->hi, 0);
  EXPECT_FALSE(interval("1/" + difference));
}

}  // namespace
}  // namespace moecal::planning
