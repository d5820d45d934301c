// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/expert_exchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/fit.hpp"
#include "calibration/flat_csv.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr int kRanks = 8;

struct Shape {
  std::int64_t hidden, top_k, experts;
};
const std::vector<Shape> kShapes{{2048, 8, 128}, {2048, 8, 256}, {4096, 2, 8},   {4096, 6, 256},
                                 {4096, 8, 128}, {5120, 1, 16},  {6144, 4, 128}, {7168, 8, 256}};

Point point_of(const Shape& shape, std::int64_t tokens) {
  return {{"tokens", tokens},
          {"hidden", shape.hidden},
          {"experts", shape.experts},
          {"top_k", shape.top_k}};
}

using SecondsOf = std::function<double(const Shape&, double tokens)>;

ObservationFile exchanges(const SecondsOf& seconds) {
  std::vector<Observation> all;
  for (const auto& shape : kShapes)
    for (std::int64_t tokens = 1; tokens <= 65536; tokens *= 4) {
      auto o = synthetic::observation("moe_dispatch", point_of(shape, tokens),
                                      seconds(shape, static_cast<double>(tokens)));
      o.dtypes = {"bf16", "", "", "", "", ""};
      o.ranks.group = o.ranks.world = kRanks;
      all.push_back(std::move(o));
    }
  return synthetic::file(std::move(all));
}

/// A copy to each rank: 30 us, then 5 ns a token, and 2 ns and 1/(500 GB/s) a copy.
double normal(const Shape& x, double tokens) {
  const double copies =
      expected_ranks(static_cast<double>(x.experts), static_cast<double>(x.top_k), kRanks);
  return 30e-6 + tokens * (5e-9 + copies * (2e-9 + 2.0 * static_cast<double>(x.hidden) / 500e9));
}

Query ask(const Shape& shape, std::int64_t tokens) {
  return {.operation = "moe_dispatch", .point = point_of(shape, tokens), .group = kRanks};
}

TEST(ExpertExchange, CountsTheRanksThatATokensExpertsLieOn) {
  EXPECT_DOUBLE_EQ(expected_ranks(8, 1, 8), 1);
  EXPECT_DOUBLE_EQ(expected_ranks(8, 2, 8), 2);            // an expert a rank: never the same twice
  EXPECT_DOUBLE_EQ(expected_ranks(4, 2, 2), 2 - 2.0 / 6);  // 2 of the 6 pairs lie on one rank
  EXPECT_DOUBLE_EQ(expected_ranks(16, 16, 8), 8);
  EXPECT_NEAR(expected_ranks(1e9, 8, 8), 8 * (1 - std::pow(7.0 / 8, 8)), 1e-6);
}

// What a token is sent as does not depend on how many experts it was not given to.
TEST(ExpertExchange, TakesAsLongForMoreExpertsAndForAShapeThatWasNotMeasured) {
  const auto c = fit(std::vector{exchanges(normal)}, {}).coefficients;
  ASSERT_EQ(c.models.size(), 1u);
  EXPECT_EQ(c.models[0].form, "expert_exchange");
  EXPECT_EQ(parameter(c.models[0], "one_copy_per_expert"), 0);
  EXPECT_EQ(c.models[0].residual_quantiles.size(), 3u);
  for (const Shape& shape : {Shape{2048, 8, 128}, Shape{2048, 8, 256}, Shape{6144, 6, 64}})
    for (const std::int64_t tokens : {1, 300, 20000}) {
      const auto p = predict(c, ask(shape, tokens)).prediction.value();
      const double expected = normal(shape, static_cast<double>(tokens));
      EXPECT_NEAR(p.seconds, expected, 0.03 * expected) << shape.hidden << " x " << tokens;
      EXPECT_LT(p.hi / p.seconds, 1.2);
    }
}

// Few experts leave most of the multiprocessors without one.
TEST(ExpertExchange, FindsOutThatEachExpertHasACopy) {
  const auto low_latency = [](const Shape& x, double tokens) {
    const auto experts = static_cast<double>(x.experts), top_k = static_cast<double>(x.top_k);
    return 15e-6 +
           tokens * (3e-6 / experts + top_k * (1e-9 + 2.0 * static_cast<double>(x.hidden) / 800e9));
  };
  const auto c = fit(std::vector{exchanges(low_latency)}, {}).coefficients;
  EXPECT_EQ(parameter(c.models.at(0), "one_copy_per_expert"), 1);
  const auto p = predict(c, ask({5120, 1, 64}, 1000)).prediction.value();
  EXPECT_NEAR(p.seconds, low_latency({5120, 1, 64}, 1000), 0.03 * p.seconds);
}

// As many lines as a DeepEP log has.
TEST(ExpertExchange, IsALineWhereFewPointsWereMeasured) {
  const auto line = [](const Shape& x, double tokens) {
    return 20e-6 + tokens * static_cast<double>(x.top_k * x.hidden) * 2 / 400e9;
  };
  auto file = exchanges(line);
  file.observations.resize(6);
  const auto c = fit(std::vector{file}, {}).coefficients;
  ASSERT_EQ(c.models.size(), 1u);
  EXPECT_EQ(c.models[0].form, "expert_exchange");
  EXPECT_EQ(parameter_or(c.models[0], "per_token", -1), -1);
  const auto p = predict(c, ask({2048, 8, 128}, 300)).prediction.value();
  EXPECT_NEAR(p.seconds, line({2048, 8, 128}, 300), 0.03 * p.seconds);
  EXPECT_EQ(to_json(parse_coefficients(to_json(c), "c.json")), to_json(c));
}

TEST(ExpertExchange, SaysNothingOfGroupsWhereARankHasACopy) {
  const auto c = fit(std::vector{exchanges(normal)}, {}).coefficients;
  EXPECT_EQ(parameter_or(c.models.at(0), "latency_per_group", -1), -1);
}

TEST(ExpertExchange, IsOfASystemAndItsGroup) {
  const auto c = fit(std::vector{exchanges(normal)}, {}).coefficients;
  auto query = ask({2048, 8, 128}, 64);
  query.group = 16;
  EXPECT_FALSE(predict(c, query).prediction);
  query.group = kRanks;
  query.system = "another";
  EXPECT_FALSE(predict(c, query).prediction);
}

// Not at a grid, where a token would go to more experts than there are.
TEST(ExpertExchange, IsTabledAtTheCallsThatWereMeasured) {
  const auto fitted = fit(std::vector{exchanges(normal)}, {});
  const auto csv = to_flat_csv(fitted.coefficients, fitted.report.calls);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 8 * 9);
}

TEST(ExpertExchange, GoesToAFileAndBack) {
  const auto c = fit(std::vector{exchanges(normal)}, {}).coefficients;
  const auto text = to_json(c);
  const auto again = parse_coefficients(text, "c.json");
  EXPECT_EQ(to_json(again), text);
  EXPECT_DOUBLE_EQ(predict(again, ask({4096, 6, 256}, 77)).prediction->seconds,
                   predict(c, ask({4096, 6, 256}, 77)).prediction->seconds);
}

}  // namespace
}  // namespace moecal::calibration
