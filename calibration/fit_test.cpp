// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/fit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "calibration/predict.hpp"
#include "calibration/testing/fit_all.hpp"
#include "calibration/testing/synthetic.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::calibration {
namespace {

using synthetic::curve;
using synthetic::fit_all;
using synthetic::Noise;
using synthetic::observation;

const Model& model_of(const FitResult& result, const std::string& form) {
  for (const auto& model : result.coefficients.models)
    if (model.form == form) return model;
  throw Error{"no model of the form " + form};
}

double value_of(const Model& model, const std::string& name) { return parameter(model, name); }

/// 5 us and 100 GB/s, then 20 GB/s past 64 KiB.
double two_segments(double bytes) {
  return 5e-6 + std::min(bytes, 65536.0) / 100e9 + std::max(bytes - 65536, 0.0) / 20e9;
}

TEST(Fit, RecoversASegmentedCurveAndLocatesItsSwitch) {
  const auto result = fit_all(curve("all_reduce", 4, 21, two_segments, {.spread = 0.01}));
  const auto& model = model_of(result, "segmented_latency_bandwidth");
  EXPECT_NEAR(value_of(model, "latency"), 5e-6, 0.02 * 5e-6);
  ASSERT_FALSE(model.knots.empty());
  EXPECT_NEAR(std::log2(model.knots.front() / 65536), 0, 1);
  const auto last = "inverse_bandwidth_" + std::to_string(model.knots.size() + 1);
  EXPECT_NEAR(value_of(model, last), 1 / 20e9, 0.03 / 20e9);
  EXPECT_LT(model.quality.held_out_median_ape, 0.03);
}

// Three points on a line leave nothing over: what a clock or a table cannot tell apart is left.
TEST(Fit, GivesNoIntervalNarrowerThanWhatIsPrinted) {
  const auto line = [](double bytes) { return 1e-5 + bytes / 2e10; };
  const auto result = fit_all(curve("all_reduce", 4, 3, line, {}));
  for (const auto& model : result.coefficients.models)
    for (const auto& quantile : model.residual_quantiles)
      EXPECT_GE(quantile.half_width_90, 0.001) << model.id;
}

TEST(Fit, TakesALayersExchangeByTheBytesOfItsRows) {
  std::vector<Observation> observations;
  for (const std::int64_t tokens : {16, 64, 256, 1024, 4096, 16384})
    for (const std::int64_t hidden : {1024, 4096}) {
      const double bytes = static_cast<double>(tokens * 2 * hidden * 4);
      const Point point{{"tokens", tokens}, {"hidden", hidden}, {"experts", 64}, {"top_k", 2}};
      observations.push_back(observation("dispatch_combine", point, 30e-6 + bytes / 10e9));
      observations.back().ranks = {8, 8, "contiguous", 1, 1, "intra"};
      observations.back().routed = true;
    }
  const auto result = fit_all(observations);
  EXPECT_NEAR(value_of(model_of(result, "segmented_latency_bandwidth"), "latency"), 30e-6, 1e-6);
  Query query{.operation = "dispatch_combine"};
  query.point = {{"tokens", 512}, {"hidden", 2048}, {"experts", 64}, {"top_k", 2}};
  query.group = 8;
  const auto answer = predict(result.coefficients, query);
  ASSERT_TRUE(answer.prediction) << answer.missing;
  EXPECT_NEAR(answer.prediction->seconds, 30e-6 + 8'388'608 / 10e9, 20e-6);
}

// An overlap is measured at sizes of a GEMM and a message; what it costs follows from their times.
TEST(Fit, TakesAMeasuredOverlapByWhatItsPartsTakeAlone) {
  std::vector<Observation> observations;
  for (const std::int64_t m : {64, 128, 256, 512})
    for (const std::int64_t bytes : {1 << 16, 1 << 18, 1 << 20}) {
      const double gemm = 1e-6 * static_cast<double>(m),
                   exchange = 1e-9 * static_cast<double>(bytes);
      const Point point{{"m", m}, {"n", 512}, {"k", 512}, {"bytes", bytes}};
      observations.push_back(observation("overlap", point, std::max(gemm, exchange)));
      observations.back().parts_s = {{"gemm", {gemm}}, {"all_to_all", {exchange}}};
    }
  const auto result = fit_all(observations);
  ASSERT_FALSE(result.coefficients.models.empty());
  EXPECT_EQ(result.coefficients.models[0].validity.at("compute_ns"), (std::pair{64e3, 512e3}));
  EXPECT_FALSE(result.coefficients.models[0].validity.contains("bytes"));
}

TEST(Fit, IsNotMovedByOneSpikeInTen) {
  const auto result = fit_all(
      curve("all_reduce", 4, 21, two_segments, {.spread = 0.01, .spike_share = 0.1, .seed = 5}));
  const auto& model = model_of(result, "segmented_latency_bandwidth");
  EXPECT_NEAR(value_of(model, "latency"), 5e-6, 0.03 * 5e-6);
  EXPECT_LT(model.quality.in_sample_median_ape, 0.02);
}

TEST(Fit, MediansRepeatsAndKeepsPointsWhoseRepeatsDisagree) {
  std::vector<Observation> observations;
  for (int run = 0; run < 3; ++run)
    for (auto o : curve("all_reduce", 4, 6, two_segments, {})) {
      o.run_id = std::to_string(run);
      if (run == 2 && o.point.at("bytes") == 512) o.samples_s = {1e-3};
      observations.push_back(o);
    }
  const auto result = fit_all(observations);
  const auto& table = model_of(result, "log_log_table");
  EXPECT_EQ(table.quality.points, 6);
  EXPECT_EQ(table.quality.repeated_points, 6);
  EXPECT_DOUBLE_EQ(table.table.front().second, two_segments(512));
}

TEST(Fit, CountsWhatItDoesNotUseAndSaysWhatIsTooLittle) {
  auto observations = curve("all_reduce", 2, 8, two_segments, {});
  observations[0].outcome = Outcome::skipped;
  observations[1].outcome = Outcome::failed;
  observations.push_back(observation("expert_gemm", {{"m", 8}, {"n", 8}, {"k", 8}}, 1e-6));
  const auto result = fit_all(observations);
  EXPECT_EQ(result.report.counts.skipped, 1);
  EXPECT_EQ(result.report.counts.failed, 1);
  EXPECT_EQ(result.report.series, 1);
  EXPECT_EQ(result.report.points, 6);  // once, though a table and a compact form hold them
  ASSERT_EQ(result.report.left_out.size(), 1u);
  EXPECT_THAT(result.report.left_out[0].reason, testing::HasSubstr("at least 3 points"));
}

// Heat is an accident of the run; the power limit is what the card sustains.
TEST(Fit, LeavesOutWhatHeatHeldBackThroughoutAndSaysWhatThePowerLimitDid) {
  auto observations = curve("all_reduce", 2, 8, two_segments, {});
  observations[0].flags.throttled = {true};
  observations[1].flags.throttled = {true};
  observations[1].device.power_limited = true;
  const auto result = fit_all(observations);
  EXPECT_EQ(result.report.counts.throttled, 1);
  EXPECT_EQ(result.report.counts.power_limited, 1);
  EXPECT_EQ(result.report.points, 7);
}

TEST(Fit, SaysWhyNothingIsLeftToFit) {
  auto observations = curve("all_reduce", 2, 8, two_segments, {});
  for (auto& o : observations) o.flags.throttled = {true};
  observations[0].point = {{"bytes", 0}};
  EXPECT_THAT(thrown_message([&] { (void)fit_all(observations); }),
              testing::HasSubstr("8 are measured, 0 skipped and 0 failed; 1 without a size; 7 "
                                 "throttled in every sample"));
}

// As a real number its bytes are more than a whole one can be.
TEST(Fit, TakesTheLargestPointThereIs) {
  auto observations = curve("all_reduce", 2, 8, two_segments, {});
  observations[0].point = {{"bytes", std::numeric_limits<std::int64_t>::max()}};
  EXPECT_EQ(fit_all(observations).report.points, 8);
}

// Not held, and as long as the host's own work: the time between launches, not the kernel's.
TEST(Fit, LeavesOutWhatTookItsHostAsLongAsItsDevice) {
  auto observations = curve("all_reduce", 2, 8, two_segments, {});
  for (const int i : {0, 1, 2}) observations[i].host_s = observations[i].samples_s;
  observations[0].sample.timer = kLedTimer;
  observations[1].sample.timer = "cuda_event";  // as a copy that its host waits for
  observations[2].sample.timer = "cuda_event_held";
  const auto result = fit_all(observations);
  EXPECT_EQ(result.report.counts.launch_bound, 1);
  EXPECT_EQ(result.report.points, 7);
}

TEST(Fit, RefusesEmptySetsAndUnknownCards) {
  EXPECT_THROW((void)fit_all({}), InvalidInput);
  try {
    (void)fit_all(curve("all_reduce", 2, 8, two_segments, {}), {.card = "b200-sxm"});
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_STREQ(error.what(),
                 "no observation was made on the card 'b200-sxm'; the files have: cpu-test");
  }
}

TEST(Fit, SameInputSameBytes) {
  const auto observations = curve("all_to_all", 8, 21, two_segments, {.spread = 0.05});
  EXPECT_EQ(to_json(fit_all(observations).coefficients),
            to_json(fit_all(observations).coefficients));
}

TEST(Fit, MakesNoTableOfThreePoints) {
  EXPECT_EQ(fit_all(curve("all_reduce", 4, 3, two_segments, {})).coefficients.models.size(), 1u);
  EXPECT_EQ(fit_all(curve("all_reduce", 4, 4, two_segments, {})).coefficients.models.size(), 2u);
}

TEST(Fit, CompactLeavesTablesOut) {
  const auto result =
      fit_all(curve("all_reduce", 4, 12, two_segments, {}), {.compact = true, .source = "a log"});
  ASSERT_EQ(result.coefficients.models.size(), 1u);
  EXPECT_TRUE(result.coefficients.models[0].table.empty());
  EXPECT_EQ(result.coefficients.models[0].observation_ids.size(), 1u);
  EXPECT_EQ(result.coefficients.source, "a log");
}
}  // namespace
}  // namespace moecal::calibration
