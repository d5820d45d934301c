// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "calibration/latency_bandwidth.hpp"
#include "calibration/log_log_table.hpp"
#include "calibration/roofline.hpp"
#include "calibration/saturating_roofline.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "calibration/testing/synthetic.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using synthetic::Disturbance;

std::vector<FitPoint> curve_points(int sizes, const synthetic::SecondsOfBytes& seconds,
                                   const synthetic::Noise& noise) {
  Disturbance disturb{noise};
  std::vector<FitPoint> points;
  for (int i = 0; i < sizes; ++i) {
    const double size = 512.0 * std::pow(2, i);
    points.push_back({{.size = size, .bytes = size}, disturb(seconds(size))});
  }
  return points;
}

double three_segments(double s) {
  return 8e-6 + std::min(s, 32768.0) / 50e9 + std::clamp(s - 32768, 0.0, 4161536.0) / 5e9 +
         std::max(s - 4194304, 0.0) / 400e9;
}

TEST(SegmentedLatencyBandwidth, FindsBothSwitchesWithinAGridStep) {
  const auto model = fit_segmented_latency_bandwidth(
      curve_points(21, three_segments, {.spread = 0.01, .spike_share = 0.1, .seed = 3}), 3);
  ASSERT_EQ(model.knots.size(), 2u);
  EXPECT_NEAR(std::log2(model.knots[0] / 32768), 0, 1);
  EXPECT_NEAR(std::log2(model.knots[1] / 4194304), 0, 1);
  EXPECT_NEAR(parameter(model, "latency"), 8e-6, 0.03 * 8e-6);
  EXPECT_NEAR(parameter(model, "inverse_bandwidth_2") * 5e9, 1, 0.05);
  EXPECT_GT(model.parameters[0].standard_error, 0);
}

TEST(SegmentedLatencyBandwidth, IsContinuousAndNeverFalls) {
  const auto model = fit_segmented_latency_bandwidth(
      curve_points(21, three_segments, {.spread = 0.2, .seed = 9}), 3);
  double last = 0;
  for (double size = 256; size < 1e9; size *= 1.01) {
    const double now = evaluate(model, {.size = size});
    EXPECT_GE(now, last);
    last = now;
  }
  for (const double knot : model.knots)
    EXPECT_NEAR(evaluate(model, {.size = knot * (1 + 1e-9)}) / evaluate(model, {.size = knot}), 1,
                1e-6);
}

TEST(SegmentedLatencyBandwidth, NeedsTwoSizes) {
  EXPECT_THROW((void)fit_segmented_latency_bandwidth(curve_points(1, three_segments, {}), 1),
               InvalidInput);
}

TEST(LogLogTable, GoesThroughItsPointsAndStaysBetweenThem) {
  Model model;
  model.form = "log_log_table";
  model.table = {{1024, 1e-5}, {2048, 1.1e-5}, {4096, 8e-5}, {8192, 8e-5}};
  for (const auto& [size, seconds] : model.table)
    EXPECT_NEAR(evaluate(model, {.size = size}), seconds, 1e-12);
  for (double size = 1024; size < 8192; size *= 1.05) {
    EXPECT_GE(evaluate(model, {.size = size}), 1e-5 * (1 - 1e-12));
    EXPECT_LE(evaluate(model, {.size = size}), 8e-5 * (1 + 1e-12));
  }
  EXPECT_DOUBLE_EQ(evaluate(model, {.size = 1}), 1e-5);
  EXPECT_DOUBLE_EQ(evaluate(model, {.size = 16384}), 16e-5);
}

TEST(LatencyBandwidth, TellsCacheFromMemory) {
  const auto seconds = [](double b) {
    return 1e-6 + std::min(b, 1048576.0) / 80e9 + std::max(b - 1048576, 0.0) / 10e9;
  };
  const auto model = fit_latency_bandwidth(curve_points(19, seconds, {.spread = 0.01}), 2);
  EXPECT_NEAR(parameter(model, "bandwidth") / 10e9, 1, 0.05);
  EXPECT_NEAR(parameter(model, "cache_bandwidth") / 80e9, 1, 0.1);
  ASSERT_EQ(model.knots.size(), 1u);
  EXPECT_NEAR(std::log2(model.knots[0] / 1048576), 0, 1);
}

constexpr ReferenceRates kCard{1e15, 3e12, true};

Inputs gemm_inputs(double m, double n, double k) {
  return {.size = m,
          .flops = 2 * m * n * k,
          .bytes = 2 * (m * k + k * n + m * n),
          .m = m,
          .n = n,
          .k = k};
}

std::vector<FitPoint> gemm_points(const Model& truth, const synthetic::Noise& noise) {
  Disturbance disturb{noise};
  std::vector<FitPoint> points;
  for (double m = 1; m <= 16384; m *= 4)
    for (double n = 512; n <= 16384; n *= 2)
      for (double k = 512; k <= 16384; k *= 4) {
        const auto inputs = gemm_inputs(m, n, k);
        points.push_back({inputs, disturb(evaluate(truth, inputs))});
      }
  return points;
}

Model saturating_truth() {
  Model truth;
  truth.form = "saturating_roofline";
  truth.parameters = {{"t0", 3e-6, "s", 0}, {"e1", 1.4, "1", 0}, {"cm", 90, "1", 0},
                      {"cn", 200, "1", 0},  {"ck", 300, "1", 0}, {"b0", 2e6, "B", 0},
                      {"e2", 1.2, "1", 0},  {"q", 4, "1", 0}};
  for (const auto& rate : rate_parameters(kCard)) truth.parameters.push_back(rate);
  return truth;
}

TEST(SaturatingRoofline, IsRecoveredWithinItsStatedErrorAlsoWithSpikes) {
  const auto truth = saturating_truth();
  const auto model = fit_saturating_roofline(
      gemm_points(truth, {.spread = 0.02, .spike_share = 0.1, .spike_factor = 2, .seed = 4}),
      kCard);
  for (const char* name : {"e1", "cm", "e2"}) {
    const auto found = std::find_if(model.parameters.begin(), model.parameters.end(),
                                    [&](const Parameter& p) { return p.name == name; });
    EXPECT_NEAR(found->value, parameter(truth, name),
                4 * found->standard_error + 0.03 * found->value)
        << name;
  }
  for (const auto& point : gemm_points(truth, {}))
    EXPECT_NEAR(evaluate(model, point.inputs) / point.seconds, 1, 0.05);
}

TEST(Roofline, IsRecoveredAndSaysWhatItsRatesAre) {
  Model truth;
  truth.form = "roofline";
  truth.parameters = {{"t0", 2e-6, "s", 0}, {"e1", 1.5, "1", 0}, {"e2", 1.25, "1", 0}};
  for (const auto& rate : rate_parameters(kCard)) truth.parameters.push_back(rate);
  const auto points = gemm_points(truth, {.spread = 0.02, .seed = 8});
  const auto model = fit_roofline(points, kCard);
  EXPECT_NEAR(parameter(model, "t0") / 2e-6, 1, 0.05);
  EXPECT_NEAR(parameter(model, "e1"), 1.5, 0.05);
  EXPECT_NEAR(parameter(model, "e2"), 1.25, 0.05);
  const auto unknown_card = fit_roofline(points, best_observed_rates(points));
  EXPECT_GT(parameter(unknown_card, "best_observed_flops"), 0.5e15);
  EXPECT_EQ(parameter_or(unknown_card, "nominal_flops", -1), -1);
}

}  // namespace
}  // namespace moecal::calibration
