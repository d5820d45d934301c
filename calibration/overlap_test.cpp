// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/overlap.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// 2 us, slowdowns 1.1 and 1.3, sharpness 3.
double truth(double compute, double communication) {
  return 2e-6 + std::cbrt(std::pow(1.1 * compute, 3) + std::pow(1.3 * communication, 3));
}

Point pair_of(std::int64_t compute_ns, std::int64_t communication_ns) {
  return {{"compute_ns", compute_ns}, {"communication_ns", communication_ns}};
}

using Truth = double (*)(double, double);

/// Every pair of seven times from 20 us to 1.28 ms.
std::vector<Observation> overlaps(Truth seconds, const synthetic::Noise& noise) {
  synthetic::Disturbance disturb{noise};
  std::vector<Observation> observations;
  for (std::int64_t compute = 20000; compute <= 1280000; compute *= 2)
    for (std::int64_t communication = 20000; communication <= 1280000; communication *= 2)
      observations.push_back(
          synthetic::observation("overlap", pair_of(compute, communication),
                                 disturb(seconds(1e-9 * static_cast<double>(compute),
                                                 1e-9 * static_cast<double>(communication)))));
  return observations;
}

std::vector<FitPoint> points_of(const std::vector<Observation>& observations) {
  std::vector<FitPoint> points;
  for (const auto& o : observations)
    points.push_back({inputs_of(o.operation, o.point, o.dtypes), o.seconds()});
  return points;
}

TEST(Overlap, RecoversAKnownTruth) {
  const auto model = fit_overlap(points_of(overlaps(truth, {.spread = 0.01})));
  EXPECT_NEAR(parameter(model, "t0"), 2e-6, 1e-6);
  EXPECT_NEAR(parameter(model, "compute_slowdown"), 1.1, 0.02);
  EXPECT_NEAR(parameter(model, "communication_slowdown"), 1.3, 0.02);
  EXPECT_NEAR(parameter(model, "sharpness"), 3, 0.3);
}

TEST(Overlap, IsTheLongerWhereOneHidesTheOther) {
  const auto model = fit_overlap(points_of(overlaps(
      [](double compute, double communication) { return std::max(compute, communication); }, {})));
  EXPECT_GT(parameter(model, "sharpness"), 20);
  EXPECT_NEAR(evaluate(model, inputs_of("overlap", pair_of(50000, 50000), {})), 50e-6, 2e-6);
}

TEST(Overlap, IsTheSumWhereNothingIsHidden) {
  const auto model = fit_overlap(points_of(
      overlaps([](double compute, double communication) { return compute + communication; }, {})));
  EXPECT_NEAR(parameter(model, "sharpness"), 1, 0.01);
}

// Two pairs of one sum that take different times.
TEST(Overlap, PredictsPairsThatNoFitSaw) {
  const auto coefficients =
      fit(std::vector{synthetic::file(overlaps(truth, {.spread = 0.01}))}, {}).coefficients;
  ASSERT_EQ(coefficients.models.size(), 1u);
  EXPECT_EQ(coefficients.models[0].form, "overlap");
  EXPECT_LT(coefficients.models[0].quality.held_out_median_ape, 0.03);
  const auto read = parse_coefficients(to_json(coefficients), "c.json");
  EXPECT_EQ(to_json(read), to_json(coefficients));
  for (const auto& [compute, communication] :
       {std::pair{300000, 30000}, {165000, 165000}, {30000, 300000}, {90000, 700000}}) {
    const Query query{.operation = "overlap", .point = pair_of(compute, communication)};
    const auto answer = predict(read, query);
    ASSERT_TRUE(answer.prediction) << answer.missing;
    const double seconds = truth(1e-9 * compute, 1e-9 * communication);
    EXPECT_NEAR(answer.prediction->seconds / seconds, 1, 0.03) << compute << " " << communication;
    EXPECT_LT(answer.prediction->lo, seconds);
    EXPECT_GT(answer.prediction->hi, seconds);
    EXPECT_THAT(answer.prediction->flags, testing::IsEmpty());
  }
}

TEST(Overlap, WantsFivePoints) { EXPECT_THROW((void)fit_overlap({}), InvalidInput); }

}  // namespace
}  // namespace moecal::calibration
