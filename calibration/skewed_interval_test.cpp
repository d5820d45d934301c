// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "calibration/flat_csv.hpp"
#include "calibration/testing/synthetic_exchanges.hpp"

// Exchanges by a routing: what an interval has to hold beside the fit's own errors.
namespace moecal::calibration {
namespace {

using namespace synthetic;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Prediction answer_of(const FitResult& result, const Query& query) {
  const auto answer = predict(result.coefficients, query);
  EXPECT_TRUE(answer.prediction) << answer.missing;
  return answer.prediction.value_or(Prediction{});
}

double half_width(const Prediction& prediction) {
  return std::log(prediction.hi / prediction.seconds);
}

constexpr double kExponent = 0.8;  // of the power law that is asked for
constexpr int kFreshDraws = 60;

/// How many of fresh draws an interval holds.
double covered(const Prediction& prediction, std::int64_t tokens) {
  int inside = 0;
  for (int draw = 0; draw < kFreshDraws; ++draw) {
    const RoutingSpec fresh{.distribution = "power_law",
                            .seed = 1000U + static_cast<unsigned>(draw),
                            .exponent = kExponent};
    const double seconds = seconds_of(load_of(draw_bytes(tokens, fresh)), 1);
    if (seconds > prediction.lo && seconds < prediction.hi) ++inside;
  }
  return static_cast<double>(inside) / kFreshDraws;
}

// Fitted where each point's own skew was recorded, and asked where none is known yet.
TEST(SkewedInterval, HoldsFreshDrawsOfTheRoutingAskedFor) {
  const auto result = fit_all(exchanges(kMeasured, {}));
  const RoutingSpec routing{.distribution = "power_law", .exponent = kExponent};
  for (const std::int64_t tokens : {64, 256, 1024}) {
    auto by_routing = query_of(tokens);
    by_routing.routing = "power_law";
    by_routing.exponent = kExponent;
    auto by_skew = query_of(tokens);
    by_skew.skew =
        expected_load({by_skew.point, {"f32", "", "", "", "", ""}, kRanks, routing}).load.skew;
    const auto loose = answer_of(result, by_routing), tight = answer_of(result, by_skew);
    EXPECT_DOUBLE_EQ(loose.seconds, tight.seconds);
    EXPECT_GE(covered(loose, tokens), 0.85) << tokens;
    EXPECT_LT(covered(tight, tokens), 0.75) << "of a skew that is known, not of draws: " << tokens;
  }
}

TEST(SkewedInterval, OfABalancedRoutingHasNoDraws) {
  const auto result = fit_all(exchanges(kMeasured, {}));
  auto by_routing = query_of(1024), by_skew = query_of(1024);
  by_routing.routing = "balanced";
  by_skew.skew = 1;
  EXPECT_DOUBLE_EQ(half_width(answer_of(result, by_routing)),
                   half_width(answer_of(result, by_skew)));
}

Query query_of_bytes(std::int64_t bytes, double skew) {
  auto query = query_of(0);
  query.point = {{"bytes", bytes}};
  query.skew = skew;
  return query;
}

TEST(SkewedInterval, WidensAndSaysSoPastTheBytesMeasured) {
  const auto result = fit_all(exchanges(kMeasured, {}));
  constexpr std::int64_t kMost = 4096 * kTopK * kHidden * 4;
  const auto last = answer_of(result, query_of_bytes(kMost, 2));
  EXPECT_THAT(last.flags, IsEmpty());
  const auto past = answer_of(result, query_of_bytes(64 * kMost, 2));
  EXPECT_THAT(past.flags, Contains(HasSubstr("extrapolated x64")));
  EXPECT_GE(half_width(past), 1.59 * half_width(last)) << "a tenth a doubling";
  EXPECT_NEAR(past.seconds / last.seconds, 64, 0.1) << "at the same skew";
  const auto below = answer_of(result, query_of_bytes(1024, 2));
  EXPECT_THAT(below.flags, Contains(HasSubstr("outside validity: bytes")));
  EXPECT_GT(half_width(below), 2 * half_width(last));
}

// Either number was measured as large, but not both at once.
TEST(SkewedInterval, AsksForTheBytesThatSeveralNumbersComeTo) {
  auto observations = exchanges(kMeasured, {});
  for (auto& o : observations) {
    if (o.point["tokens"] < 4096) continue;
    o.point["hidden"] = kHidden / 16;
    for (auto* bytes : {&o.exchanged.sent, &o.exchanged.received})
      for (auto& each : *bytes) each /= 16;
    o.samples_s = {seconds_of(load_of(o.exchanged), 1)};
  }
  auto query = query_of(4096);
  query.skew = 1;
  EXPECT_THAT(answer_of(fit_all(observations), query).flags,
              Contains(HasSubstr("extrapolated x4")));
}

double widest(const FitResult& result) {
  double most = 0;
  for (const auto& quantile : only_model(result).residual_quantiles)
    if (quantile.count > 0) most = std::max(most, quantile.half_width_90);
  return most;
}

// Flat up to the size in the middle and steep from there on: the other sizes do not tell of it.
TEST(SkewedInterval, IsOfSizesLeftOutTooNotOfRoutingsAlone) {
  constexpr double kKnee = 256 * kTopK * kHidden * 4;
  const auto knee = [](double bytes) { return 100e-6 + std::max(0.0, bytes - kKnee) / 5e9; };
  EXPECT_LT(widest(fit_all(exchanges(kMeasured, {.exponent = 0}))), 0.15);
  EXPECT_GT(widest(fit_all(exchanges(kMeasured, {.exponent = 0, .seconds = knee}))), 0.5);
}

TEST(SkewedInterval, CoversAStepBetweenSizesAtTheBytesThatRule) {
  constexpr double kStep = 512 * kTopK * kHidden * 4;
  const auto step = [](double bytes) {
    return latency_and_bandwidth(bytes) * (bytes < kStep ? 1 : 2.5);
  };
  const auto result = fit_all(exchanges(kMeasured, {.exponent = 0, .seconds = step}));
  const auto& switches = only_model(result).switches;
  ASSERT_EQ(switches.size(), 1U);
  EXPECT_LT(switches[0].bytes.first, kStep);
  EXPECT_GT(switches[0].bytes.second, kStep);
  auto query = query_of(600);
  query.skew = 1.2;
  const auto inside = answer_of(result, query);
  EXPECT_THAT(inside.flags, Contains(HasSubstr("a protocol switch lies between")));
  EXPECT_LT(inside.lo, latency_and_bandwidth(600.0 * kTopK * kHidden * 4));
  for (const std::int64_t tokens : {128, 2048}) {
    query.point = point_of(tokens);
    EXPECT_THAT(answer_of(result, query).flags, Not(Contains(HasSubstr("a protocol switch"))));
  }
}

TEST(SkewedInterval, IsTabledOnceForAPointAndItsRouting) {
  auto observations = exchanges(kMeasured, {});
  for (auto& o : exchanges({{.distribution = "power_law", .seed = 5, .exponent = 0.8}}, {}))
    observations.push_back(o);
  const auto fitted = fit_all(observations);
  ASSERT_EQ(fitted.report.calls.begin()->second.size(), 5 * (kMeasured.size() + 1));
  std::istringstream csv{to_flat_csv(fitted.coefficients, fitted.report.calls)};
  std::multiset<std::string> lines;
  for (std::string line; std::getline(csv, line);) lines.insert(line);
  EXPECT_EQ(lines.size(), 1 + 5 * kMeasured.size());
  EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()).size(), lines.size());
}

}  // namespace
}  // namespace moecal::calibration
