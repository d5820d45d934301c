// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/series.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "calibration/features.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/fit_all.hpp"

// What belongs to one series and what does not, by what is fitted to it.
namespace moecal::calibration {
namespace {

using synthetic::fit_all;
using synthetic::observation;

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

TEST(Series, KeepsRoutingsApartAndTakesSeedsAsRepeats) {
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

TEST(Series, KeepsRecordedLoadsApart) {
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

TEST(Series, TakesTheLoadsOfARecordedRoutingAsTheyWere) {
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

TEST(Series, TakesTheRowsThatACapacityLeaves) {
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

TEST(Series, LeavesOutWhatCannotBeAndFitsTheRest) {
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

TEST(Series, KeepsLayoutsOfTheSameProductApart) {
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

TEST(Series, KeepsScaleModesOfGroupsAndLayersApart) {
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
}  // namespace
}  // namespace moecal::calibration
