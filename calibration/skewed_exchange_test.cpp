// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/skewed_latency_bandwidth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/exchange_skew.hpp"
#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/testing/synthetic_exchanges.hpp"

// Exchanges over 8 ranks whose cost follows mean x skew^exponent: what the fit makes of it.
namespace moecal::calibration {
namespace {

using namespace synthetic;
using testing::Contains;
using testing::HasSubstr;

double standard_error(const Model& model, const std::string& name) {
  for (const auto& p : model.parameters)
    if (p.name == name) return p.standard_error;
  return 0;
}

TEST(SkewedExchange, RecoversAnExponentWithinItsStatedError) {
  for (const double exponent : {0.3, 0.6}) {
    const auto result = fit_all(exchanges(kMeasured, {.exponent = exponent}));
    const auto& model = only_model(result);
    EXPECT_EQ(model.form, "skewed_latency_bandwidth");
    const double error = standard_error(model, "skew_exponent");
    EXPECT_GT(error, 0);
    EXPECT_LT(error, 0.05);
    EXPECT_NEAR(parameter(model, "skew_exponent"), exponent, 3 * error);
    EXPECT_NEAR(parameter(model, "latency"), 20e-6, 3 * standard_error(model, "latency"));
  }
}

TEST(SkewedExchange, TakesAllBytesOrTheBusiestRanksWhereThePointsSaySo) {
  const auto total = fit_all(exchanges(kMeasured, {.exponent = 0}));
  EXPECT_LT(parameter(only_model(total), "skew_exponent"), 0.02);
  const auto busiest = fit_all(exchanges(kMeasured, {.exponent = 1}));
  EXPECT_GT(parameter(only_model(busiest), "skew_exponent"), 0.98);
}

TEST(SkewedExchange, PoolsRoutingsAndSaysWhichWereMeasured) {
  const auto result = fit_all(exchanges(kMeasured, {}));
  const auto& model = only_model(result);
  EXPECT_THAT(model.id, HasSubstr("any_routing"));
  EXPECT_EQ(model.routings.size(), kMeasured.size());
  ASSERT_TRUE(model.skews);
  EXPECT_DOUBLE_EQ(model.skews->first, 1);
  EXPECT_GT(model.skews->second, 3);
  EXPECT_TRUE(model.switches.empty()) << "a step between two skews is no switch";
}

// A routing between those measured, each of its points at the skew of its own draw.
TEST(SkewedExchange, PredictsASkewThatWasNeverMeasured) {
  for (const double exponent : {0.0, 0.6, 1.0}) {
    const auto result = fit_all(exchanges(kMeasured, {.exponent = exponent}));
    const RoutingSpec unseen{.distribution = "power_law", .exponent = 1.2};
    for (const std::int64_t tokens : {64, 512, 2048}) {
      const auto load = load_of(draw_bytes(tokens, unseen));
      auto query = query_of(tokens);
      query.skew = load.skew;
      const auto answer = predict(result.coefficients, query);
      ASSERT_TRUE(answer.prediction) << answer.missing;
      const double truth = seconds_of(load, exponent);
      EXPECT_NEAR(answer.prediction->seconds, truth, 0.04 * truth);
      EXPECT_LT(answer.prediction->lo, truth);
      EXPECT_GT(answer.prediction->hi, truth);
      EXPECT_TRUE(answer.prediction->flags.empty());
    }
  }
}

// Nobody knows a draw beforehand: the routing alone comes to a skew in expectation.
TEST(SkewedExchange, TakesARoutingForTheSkewItComesTo) {
  const auto result = fit_all(exchanges(kMeasured, {}));
  auto query = query_of(1024);
  query.routing = "balanced";
  const double even = predict(result.coefficients, query).prediction->seconds;
  query.routing = "recorded";
  query.loads = std::vector<double>(kExperts, 0.5);
  for (std::size_t e = 0; e < 8; ++e) query.loads[e] = 3;  // rank 0 has 24 of 52
  const auto answer = predict(result.coefficients, query);
  ASSERT_TRUE(answer.prediction) << answer.missing;
  EXPECT_NEAR((answer.prediction->seconds - 20e-6) / (even - 20e-6), 24.0 / 52 * 8, 0.5);
  EXPECT_THAT(answer.prediction->flags, Contains(HasSubstr("was never measured; measured: ")));
}

TEST(SkewedExchange, WidensBeyondTheSkewsMeasuredToWhateverRules) {
  const auto result = fit_all(exchanges({kMeasured.begin(), kMeasured.begin() + 4}, {}));
  auto query = query_of(1024);
  query.skew = 2 * only_model(result).skews->second;
  const auto answer = predict(result.coefficients, query);
  ASSERT_TRUE(answer.prediction) << answer.missing;
  EXPECT_THAT(answer.prediction->flags, Contains(HasSubstr("as measured: interval widened")));
  // From here on the busiest rank may have no say at all.
  EXPECT_LT(answer.prediction->lo, answer.prediction->seconds / 1.9);
}

TEST(SkewedExchange, OfOneSkewLeavesOpenWhatOthersCost) {
  const auto result = fit_all(exchanges({{.distribution = "balanced"}}, {}));
  EXPECT_DOUBLE_EQ(parameter(only_model(result), "skew_exponent"), 1);
  auto query = query_of(4096);
  query.skew = 4;
  const auto answer = predict(result.coefficients, query);
  ASSERT_TRUE(answer.prediction) << answer.missing;
  const ExchangeLoad even{4096.0 * kTopK * kHidden * 4, 1};
  EXPECT_LT(answer.prediction->lo, seconds_of(even, 0));
  EXPECT_GT(answer.prediction->hi, seconds_of({even.mean_bytes, 4}, 1));
}

TEST(SkewedExchange, WithoutRecordedBytesIsFittedAsBefore) {
  const auto result = fit_all(exchanges(kMeasured, {.records_bytes = false}));
  EXPECT_EQ(result.coefficients.models.size(), kMeasured.size());
  for (const auto& model : result.coefficients.models) {
    EXPECT_EQ(model.form, "segmented_latency_bandwidth");
    EXPECT_THAT(model.id, HasSubstr("routing_"));
    EXPECT_FALSE(model.skews);
  }
  auto query = query_of(1024);
  query.skew = 2;
  EXPECT_THAT(predict(result.coefficients, query).missing, HasSubstr("by the skew of its ranks"));
}

// Neighbours in a file, of one routing: which of them say their ranks' bytes decides.
TEST(SkewedExchange, KeepsRecordsWithAndWithoutBytesApart) {
  const RoutingSpec routing{.distribution = "power_law", .exponent = 0.8};
  std::vector<Observation> mixed;
  for (const auto& o : exchanges({routing}, {})) {
    mixed.push_back(o);
    mixed.push_back(o);
    mixed.back().exchanged = {};
  }
  const auto result = fit_all(mixed);
  ASSERT_EQ(result.coefficients.models.size(), 2U);
  const auto &pooled = result.coefficients.models[0], &one = result.coefficients.models[1];
  EXPECT_TRUE(pooled.conditions.any_routing);
  EXPECT_EQ(pooled.quality.points, 5);
  EXPECT_EQ(one.conditions.routing.distribution, "power_law");
  EXPECT_EQ(one.quality.points, 5);
}

// Draws of one routing differ in skew, and are points apart; the same draw again is a repeat.
TEST(SkewedExchange, TellsDrawsApartByWhatTheirRanksHad) {
  auto observations = exchanges(kMeasured, {});
  auto again = exchanges(kMeasured, {.noise = {.spread = 0.02, .seed = 7}});
  for (auto& o : again) o.run_id = "another run";
  observations.insert(observations.end(), again.begin(), again.end());
  const auto other_draws = exchanges({{.distribution = "power_law", .seed = 5, .exponent = 0.8}},
                                     {.noise = {.spread = 0.02}});
  observations.insert(observations.end(), other_draws.begin(), other_draws.end());
  const auto result = fit_all(observations);
  const auto& quality = only_model(result).quality;
  EXPECT_EQ(quality.points, static_cast<int>(5 * (kMeasured.size() + 1)));
  EXPECT_EQ(quality.repeated_points, static_cast<int>(5 * kMeasured.size()));
}

TEST(SkewedExchange, SurvivesItsFileAndBatches) {
  const auto result = fit_all(exchanges(kMeasured, {.exponent = 0.6}));
  const auto read = parse_coefficients(to_json(result.coefficients), "c.json");
  const auto& model = read.models.front();
  EXPECT_EQ(model.skews, only_model(result).skews);
  EXPECT_TRUE(model.conditions.any_routing);
  const std::vector<std::int64_t> tokens{100, 2000}, hidden(2, kHidden), experts(2, kExperts),
      top_k(2, kTopK);
  const std::vector<CallColumn> columns{
      {"tokens", tokens}, {"hidden", hidden}, {"experts", experts}, {"top_k", top_k}};
  std::vector<double> seconds(2), half_widths(2);
  PreparedModel{model}.predict(columns, {seconds, half_widths});
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto one = predict_with(model, point_of(tokens[i]));
    EXPECT_NEAR(seconds[i], one.seconds, 1e-12 * one.seconds);
    EXPECT_NEAR(half_widths[i], std::log(one.hi / one.seconds), 1e-12);
  }
}

TEST(ExchangeLoad, OfADrawAndInExpectation) {
  const auto load = load_of({{4, 4, 4, 4}, {10, 2, 2, 2}});
  EXPECT_DOUBLE_EQ(load.mean_bytes, 4);
  EXPECT_DOUBLE_EQ(load.skew, 2.5);
  const auto point = point_of(4096);
  const Dtypes dtypes{"f32", "", "", "", "", ""};
  const RoutingSpec spec{.distribution = "uniform"};
  const auto expected = expected_load({point, dtypes, kRanks, spec});
  const auto drawn = load_of(draw_bytes(4096, spec));
  EXPECT_DOUBLE_EQ(expected.load.mean_bytes, drawn.mean_bytes);
  EXPECT_NEAR(expected.load.skew, drawn.skew, 0.02);
  EXPECT_EQ(expected.mean_spread, 0);
  const Point sized{{"bytes", 1 << 20}};
  EXPECT_EQ(expected_load({sized, dtypes, kRanks, spec}).load, (ExchangeLoad{1 << 20, 1}));
  // Half of the even share: the rest is dropped, by every rank alike.
  const RoutingSpec limited{.distribution = "balanced", .capacity_factor = 0.5};
  EXPECT_EQ(expected_load({point, dtypes, kRanks, limited}).load,
            (ExchangeLoad{drawn.mean_bytes / 2, 1}));
}

}  // namespace
}  // namespace moecal::calibration
