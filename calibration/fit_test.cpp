// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/fit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "calibration/features.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::calibration {
namespace {

using synthetic::curve;
using synthetic::file;
using synthetic::Noise;
using synthetic::observation;

FitResult fit_all(std::vector<Observation> observations, FitOptions options = {}) {
  const std::vector<ObservationFile> files{file(std::move(observations))};
  return fit(files, options);
}

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

/// A permute at four sizes, routed.
std::vector<Observation> permutes(const RoutingSpec& routing, double seconds_per_byte) {
  std::vector<Observation> observations;
  for (std::int64_t tokens = 64; tokens <= 4096; tokens *= 4) {
    auto o =
        observation("permute", {{"tokens", tokens}, {"hidden", 128}, {"experts", 8}, {"top_k", 2}},
                    1e-6 + static_cast<double>(tokens) * 1024 * seconds_per_byte);
    o.routed = true;
    o.routing = routing;
    observations.push_back(std::move(o));
  }
  return observations;
}

TEST(Fit, KeepsRoutingsApartAndTakesSeedsAsRepeats) {
  auto all = permutes({}, 1e-10);
  for (const auto& routing : {RoutingSpec{.seed = 2}, RoutingSpec{.capacity_factor = 1.2},
                              RoutingSpec{.distribution = "power_law", .exponent = 1.1},
                              RoutingSpec{.distribution = "power_law", .exponent = 1.5}})
    for (auto& o : permutes(routing, routing.seed == 2 ? 1e-10 : 5e-10))
      all.push_back(std::move(o));
  const auto coefficients = fit_all(all).coefficients;
  ASSERT_EQ(coefficients.models.size(), 4u);
  for (const auto& model : coefficients.models)
    EXPECT_EQ(model.quality.repeated_points,
              model.conditions.routing.capacity_factor == 0 &&
                      model.conditions.routing.distribution == "uniform"
                  ? 4
                  : 0);
  EXPECT_EQ(to_json(parse_coefficients(to_json(coefficients), "c.json")), to_json(coefficients));

  Query query{.operation = "permute",
              .point = {{"tokens", 1024}, {"hidden", 128}, {"experts", 8}, {"top_k", 2}}};
  const auto plain = predict(coefficients, query).prediction.value();
  EXPECT_NEAR(plain.seconds, 1e-6 + 1024 * 1024e-10, 1e-6);  // not mixed with the slower ones
  EXPECT_THAT(plain.flags, testing::Not(testing::Contains(testing::HasSubstr("routing"))));
  query.capacity_factor = 1.2;
  EXPECT_GT(predict(coefficients, query).prediction->seconds, 4 * plain.seconds);
  query.capacity_factor.reset();
  query.routing = "power_law";
  query.exponent = 1.5;
  EXPECT_THAT(predict(coefficients, query).prediction->model_id,
              testing::HasSubstr("/routing_power_law/exponent_1.5/"));
  query.routing = "balanced";
  EXPECT_THAT(predict(coefficients, query).missing,
              testing::HasSubstr("routing balanced, exponent 1.5"));
}

TEST(Fit, KeepsRecordedLoadsApart) {
  auto all = permutes({.distribution = "recorded", .loads = {1, 1, 1, 1, 1, 1, 1, 1}}, 1e-10);
  for (auto& o : permutes({.distribution = "recorded", .loads = {8, 1, 1, 1, 1, 1, 1, 1}}, 5e-10))
    all.push_back(std::move(o));
  const auto coefficients = fit_all(all).coefficients;
  ASSERT_EQ(coefficients.models.size(), 2u);
  for (const auto& model : coefficients.models) {
    EXPECT_EQ(model.quality.repeated_points, 0);
    EXPECT_THAT(model.id, testing::HasSubstr("/routing_recorded/loads_"));
  }
  EXPECT_EQ(to_json(parse_coefficients(to_json(coefficients), "c.json")), to_json(coefficients));
  Query query{.operation = "permute",
              .point = {{"tokens", 1024}, {"hidden", 128}, {"experts", 8}, {"top_k", 2}},
              .routing = "recorded",
              .loads = {8, 1, 1, 1, 1, 1, 1, 1}};
  EXPECT_NEAR(predict(coefficients, query).prediction->seconds, 1e-6 + 1024 * 1024 * 5e-10, 1e-5);
  query.loads.pop_back();
  EXPECT_FALSE(predict(coefficients, query).prediction);
}

/// Seconds that follow the rows of the busiest rank alone.
double seconds_of_rows(const Point& point, const RoutingSpec& routing) {
  const Dtypes f32{"f32", "f32", "f32", "f32", "none", ""};
  return 1e-6 + 1e-8 * inputs_of("moe_layer", point, f32, routing).grouped.rows;
}

Point layer_of(std::int64_t tokens) {
  return {{"tokens", tokens}, {"experts", 8},         {"top_k", 2},          {"hidden", 512},
          {"inter", 512},     {"tensor_parallel", 1}, {"expert_parallel", 4}};
}

std::vector<Observation> layers_of(const RoutingSpec& routing) {
  std::vector<Observation> observations;
  for (std::int64_t tokens = 256; tokens <= 16384; tokens *= 2) {
    auto o = observation("moe_layer", layer_of(tokens), seconds_of_rows(layer_of(tokens), routing));
    o.routed = true;
    o.routing = routing;
    observations.push_back(std::move(o));
  }
  return observations;
}

TEST(Fit, TakesTheLoadsOfARecordedRoutingAsTheyWere) {
  const RoutingSpec even{.distribution = "recorded", .loads = std::vector<double>(8, 3)};
  auto skewed = even;
  skewed.loads[5] = 100;
  auto all = layers_of(even);
  for (auto& o : layers_of(skewed)) all.push_back(std::move(o));
  const auto coefficients = fit_all(all).coefficients;
  ASSERT_EQ(coefficients.models.size(), 1u);
  EXPECT_EQ(coefficients.models[0].quality.points, 14) << "two routings are not repeats";
  EXPECT_EQ(coefficients.models[0].routings.size(), 2u);
  EXPECT_EQ(to_json(parse_coefficients(to_json(coefficients), "c.json")), to_json(coefficients));
  Query query{.operation = "moe_layer", .point = layer_of(6000), .routing = "recorded"};
  for (const auto& routing : {even, skewed}) {
    query.loads = routing.loads;
    const auto p = predict(coefficients, query).prediction.value();
    EXPECT_NEAR(p.seconds / seconds_of_rows(query.point, routing), 1, 0.1);
    EXPECT_THAT(p.flags, testing::Not(testing::Contains(testing::HasSubstr("never measured"))));
  }
  query.loads[0] = 50;
  EXPECT_THAT(predict(coefficients, query).prediction->flags,
              testing::Contains(testing::HasSubstr("was never measured")));
}

TEST(Fit, TakesTheRowsThatACapacityLeaves) {
  const RoutingSpec skewed{.distribution = "power_law", .exponent = 1.5};
  auto limited = skewed;
  limited.capacity_factor = 1.2;
  auto all = layers_of(skewed);
  for (auto& o : layers_of(limited)) all.push_back(std::move(o));
  const auto coefficients = fit_all(all).coefficients;
  Query query{.operation = "moe_layer", .point = layer_of(6000), .routing = "power_law"};
  query.exponent = 1.5;
  const double unlimited_seconds = predict(coefficients, query).prediction->seconds;
  query.capacity_factor = 1.2;
  const double limited_seconds = predict(coefficients, query).prediction->seconds;
  EXPECT_NEAR(unlimited_seconds / seconds_of_rows(query.point, skewed), 1, 0.1);
  EXPECT_NEAR(limited_seconds / seconds_of_rows(query.point, limited), 1, 0.1);
  EXPECT_LT(limited_seconds, 0.75 * unlimited_seconds);
}

TEST(Fit, LeavesOutWhatCannotBeAndFitsTheRest) {
  auto all = layers_of({.distribution = "uniform"});
  for (auto& o : layers_of({.distribution = "uniform"})) {
    o.routing = {.distribution = "recorded", .loads = {1, 2, 3}};  // of eight experts
    all.push_back(std::move(o));
  }
  all.push_back(permutes({.distribution = "recorded"}, 1e-10).front());
  all.push_back(observation("grouped_gemm", {{"groups", 4}, {"m", 64}, {"n", 64}}, 1e-5));
  const auto result = fit_all(all);
  EXPECT_EQ(result.report.points, 7);
  EXPECT_EQ(result.report.counts.impossible, 9);
  ASSERT_EQ(result.report.left_out.size(), 3u);
  EXPECT_THAT(result.report.left_out[0].reason,
              testing::HasSubstr("1 observation: a point of 'grouped_gemm' needs the number 'k'"));
  EXPECT_THAT(result.report.left_out[1].reason,
              testing::HasSubstr("7 observations: the recorded routing has the loads of 3 experts, "
                                 "the point has 8"));
  EXPECT_THAT(result.report.left_out[2].reason, testing::HasSubstr("comes without its loads"));
  try {
    (void)fit_all({all.back()});
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("needs the number 'k'"));
  }
}

TEST(Fit, KeepsLayoutsOfTheSameProductApart) {
  std::vector<Observation> all;
  for (const auto& [layout, seconds] : {std::pair{"TN", 1e-12}, {"", 1e-12}, {"NT", 3e-12}})
    for (std::int64_t m = 16; m <= 4096; m *= 4) {
      auto o = observation("expert_gemm", {{"m", m}, {"n", 256}, {"k", 256}},
                           1e-6 + static_cast<double>(m) * 65536 * seconds);
      o.dtypes.layout = layout;
      all.push_back(std::move(o));
    }
  const auto result = fit_all(all);
  std::map<std::string, int> points;
  for (const auto& model : result.coefficients.models) {
    EXPECT_EQ(model.id.find("layout_NT") != std::string::npos, model.conditions.layout == "NT");
    points[model.conditions.layout] = model.quality.points;
  }
  EXPECT_EQ(points, (std::map<std::string, int>{{"", 5}, {"NT", 5}}));
  const Query query{.operation = "expert_gemm", .point = {{"m", 4096}, {"n", 256}, {"k", 256}}};
  EXPECT_NEAR(predict(result.coefficients, query).prediction->seconds, 2.7e-4, 3e-5)
      << "a call that says nothing of its layout is a forward one";
}

TEST(Fit, KeepsScaleModesOfGroupsAndLayersApart) {
  const Point layer{{"hidden", 512}, {"inter", 512},         {"experts", 8},
                    {"top_k", 2},    {"tensor_parallel", 1}, {"expert_parallel", 1}};
  const Point groups{{"groups", 4}, {"n", 512}, {"k", 512}};
  std::vector<Observation> all;
  for (const auto& [mode, factor] : {std::pair{"tensor", 1.0}, {"block_128x128", 2.0}})
    for (std::int64_t rows = 64; rows <= 65536; rows *= 4)
      for (const auto& [operation, numbers, name] :
           {std::tuple{"grouped_gemm", groups, "m"}, {"moe_layer", layer, "tokens"}}) {
        auto point = numbers;
        point[name] = rows;
        auto o = observation(operation, point, factor * (1e-5 + static_cast<double>(rows) * 1e-8));
        o.dtypes = {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", mode, "TN"};
        all.push_back(std::move(o));
      }
  const auto result = fit_all(all);
  for (const auto& [operation, numbers, name] :
       {std::tuple{"grouped_gemm", groups, "m"}, {"moe_layer", layer, "tokens"}}) {
    Query query{.operation = operation, .point = numbers};
    query.point[name] = 4096;
    const auto seconds_of = [&](const char* mode) {
      query.scale_mode = mode;
      return predict(result.coefficients, query).prediction->seconds;
    };
    EXPECT_NEAR(seconds_of("block_128x128") / seconds_of("tensor"), 2, 0.2) << operation;
  }
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
