// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/grouped_gemms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/conformal.hpp"
#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

const Dtypes kBf16{"bf16", "bf16", "bf16", "f32", "none", ""};
const ReferenceRates kRates{1e15, 4e12, true};

Model truth() {
  Model model;
  model.id = "truth";
  model.form = "grouped_gemms";
  model.parameters = {{"t0", 2e-5, "s"},  {"e1", 1.6, "1"},  {"ck", 300, "1"},  {"ca", 1e6, "1"},
                      {"tile", 0.4, "1"}, {"b0", 3e6, "B"},  {"e2", 1.25, "1"}, {"q", 3, "1"},
                      {"e3", 1.8, "1"},   {"e4", 5e-8, "s"}, {"e5", 2e-9, "s"}};
  for (const auto& rate : rate_parameters(kRates)) model.parameters.push_back(rate);
  return model;
}

struct Configuration {
  std::int64_t hidden, inter, experts, top_k, tensor_parallel, expert_parallel;
};

Point point_of(const Configuration& c, std::int64_t tokens) {
  return {{"tokens", tokens},
          {"hidden", c.hidden},
          {"inter", c.inter},
          {"experts", c.experts},
          {"top_k", c.top_k},
          {"tensor_parallel", c.tensor_parallel},
          {"expert_parallel", c.expert_parallel}};
}

const std::vector<RoutingSpec> kRoutings{{"balanced"}, {"power_law_loads", 1, 1.2}};

/// Layers of two models over a few splits and token counts, as observations of a known truth.
std::vector<Observation> layers(const synthetic::Noise& noise) {
  synthetic::Disturbance disturb{noise};
  std::vector<Observation> observations;
  const auto model = truth();
  for (const auto& [hidden, inter, experts, top_k] :
       {std::array<std::int64_t, 4>{2048, 768, 64, 8}, {4096, 14336, 8, 2}, {7168, 2048, 128, 8}})
    for (const std::int64_t tensor : {1, 4})
      for (const std::int64_t parallel : {1, 2, 8})
        for (std::int64_t tokens = 1; tokens <= 16384; tokens *= 4)
          for (const auto& routing : kRoutings) {
            const auto point = point_of({hidden, inter, experts, top_k, tensor, parallel}, tokens);
            const auto inputs = inputs_of("moe_layer", point, kBf16, routing);
            auto o = synthetic::observation("moe_layer", point, disturb(evaluate(model, inputs)));
            o.dtypes = kBf16;
            o.routed = true;
            o.routing = routing;
            observations.push_back(std::move(o));
          }
  return observations;
}

std::vector<FitPoint> points_of(const std::vector<Observation>& observations) {
  std::vector<FitPoint> points;
  for (const auto& o : observations)
    points.push_back({inputs_of(o.operation, o.point, o.dtypes, o.routing), o.seconds()});
  return points;
}

TEST(GroupedGemms, InputsAreThoseOfTheBusiestRank) {
  // 4 tokens x 2 choices over 2 ranks of 4 experts: one row for each expert.
  const auto inputs =
      inputs_of("moe_layer", point_of({64, 32, 8, 2, 2, 2}, 4), kBf16, {"balanced"});
  const auto& g = inputs.grouped;
  EXPECT_EQ(inputs.size, 4);
  EXPECT_EQ(g.rows, 4);
  EXPECT_EQ(g.active, 4);
  EXPECT_EQ(g.experts, 4);
  EXPECT_EQ(g.products[0].n, 32);  // gate and up, 16 each
  EXPECT_EQ(g.products[0].k, 64);
  EXPECT_EQ(g.products[1].n, 64);
  EXPECT_EQ(g.products[1].k, 16);
  EXPECT_EQ(inputs.flops, 2 * 4 * (32 * 64 + 64 * 16));
  EXPECT_EQ(g.moved, 4 * 64 * 4 + 2 * 4 * 64 * 2);
  EXPECT_EQ(inputs.bytes, 4 * (32 * 64 + 64 * 16) * 2 + 2 * 4 * 64 * 2);
}

TEST(GroupedGemms, InputsOfAGroupedGemm) {
  const Point point{{"groups", 4}, {"m", 20}, {"n", 48}, {"k", 64}};
  const auto inputs = inputs_of("grouped_gemm", point, kBf16, {"balanced"});
  EXPECT_EQ(inputs.grouped.rows, 80);
  EXPECT_EQ(inputs.grouped.padded_16, 4 * 32);
  EXPECT_EQ(inputs.grouped.products[1].n, 0);
  EXPECT_EQ(inputs.grouped.moved, 0);
}

TEST(GroupedGemms, RefuseALayerThatDoesNotDivide) {
  try {
    (void)inputs_of("moe_layer", point_of({64, 30, 8, 2, 4, 2}, 4), kBf16);
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("30 by 4 leaves a rest"));
  }
  EXPECT_THROW((void)inputs_of("moe_layer", {{"tokens", 3}}, kBf16), InvalidInput);
  EXPECT_THROW((void)fit_grouped_gemms({}, kRates), InvalidInput);
}

TEST(GroupedGemms, RecoverAKnownTruthFromNoisyTimesWithSpikes) {
  const auto points = points_of(layers({.spread = 0.03, .spike_share = 0.1}));
  const auto model = fit_grouped_gemms(points, kRates);
  for (const auto& point : points) {
    const double exact = evaluate(truth(), point.inputs);
    EXPECT_NEAR(evaluate(model, point.inputs) / exact, 1, 0.06) << point.inputs.size;
  }
  for (const char* name : {"e1", "e2"})
    EXPECT_NEAR(parameter(model, name) / parameter(truth(), name), 1, 0.15) << name;
}

TEST(GroupedGemms, SlopesAgreeWithDifferences) {
  // A fit from exact times that starts elsewhere ends at the truth only if its slopes are right.
  const auto points = points_of(layers({}));
  const auto model = fit_grouped_gemms(points, kRates);
  for (const auto& point : points)
    EXPECT_NEAR(evaluate(model, point.inputs) / point.seconds, 1, 0.01);
}

TEST(GroupedGemms, ConfigurationsAreHeldOutWhole) {
  std::vector<MeasuredCall> calls;
  for (const auto& o : layers({})) calls.push_back({o.point});
  const auto folds = folds_by_configuration(calls, 5);
  for (std::size_t i = 0; i < calls.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      auto a = calls[i].point, b = calls[j].point;
      a.erase("tokens");
      b.erase("tokens");
      if (a == b) {
        EXPECT_EQ(folds[i], folds[j]);
      }
    }
  EXPECT_EQ(*std::max_element(folds.begin(), folds.end()), 4);
}

TEST(GroupedGemms, ModelsAreHeldOutWholeForThoseNeverMeasured) {
  std::vector<MeasuredCall> calls;
  for (const auto& o : layers({})) calls.push_back({o.point});
  const auto folds = folds_by_layer_model(calls);
  ASSERT_EQ(folds.size(), calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_EQ(folds[i] == folds[j],
                model_numbers(calls[i].point) == model_numbers(calls[j].point));
  const std::vector<MeasuredCall> of_one{calls.front(), calls.front()};
  EXPECT_TRUE(folds_by_layer_model(of_one).empty());
  const std::vector<MeasuredCall> of_none{{{{"groups", 4}, {"m", 8}, {"n", 16}, {"k", 32}}}};
  EXPECT_TRUE(folds_by_layer_model(of_none).empty());
}

/// Layers whose every model has a factor of its own: what was learnt of one misleads on another.
std::vector<Observation> layers_with_moods() {
  auto all = layers({.spread = 0.02});
  for (auto& o : all) {
    const double mood = 1 + 0.4 * std::sin(static_cast<double>(o.point.at("inter")) / 700);
    for (auto& seconds : o.samples_s) seconds *= mood;
  }
  return all;
}

TEST(GroupedGemms, AnIntervalIsThatOfUnseenModelsWhereTheModelIsNew) {
  const auto text =
      to_json(fit(std::vector{synthetic::file(layers_with_moods())}, {}).coefficients);
  const auto read = parse_coefficients(text, "c.json");
  const auto known = layers({}).front().point;
  auto other = known;
  other["top_k"] = 4;  // between those measured: nothing else widens the interval
  Query query{.operation = "moe_layer", .dtype = "bf16", .point = known};
  query.routing = "balanced";
  const auto of_known = predict(read, query).prediction;
  query.point = other;
  const auto of_other = predict(read, query).prediction;
  ASSERT_TRUE(of_known && of_other);
  const auto half_width = [](const Prediction& p) { return std::log(p.hi / p.seconds); };
  EXPECT_GT(half_width(*of_other), 1.2 * half_width(*of_known));
  const auto of_models = testing::Contains(testing::HasSubstr("no layer of this model"));
  EXPECT_THAT(of_other->flags, of_models);
  EXPECT_THAT(of_known->flags, testing::Not(of_models));
}

/// One model alone, with the interval of unseen models that left-out ones gave.
Model model_of_layers() {
  Model model;
  model.id = "layers";
  model.operation = "moe_layer";
  model.form = "grouped_gemms";
  model.parameters = truth().parameters;
  model.conditions.dtype = "bf16";
  model.validity = {{"hidden", {1024, 4096}},
                    {"inter", {512, 2048}},
                    {"experts", {8, 64}},
                    {"top_k", {2, 8}},
                    {"tokens", {1, 4096}}};
  model.layer_models = {{{"hidden", 1024}, {"inter", 512}, {"experts", 8}, {"top_k", 2}},
                        {{"hidden", 2048}, {"inter", 1024}, {"experts", 32}, {"top_k", 4}},
                        {{"hidden", 4096}, {"inter", 2048}, {"experts", 64}, {"top_k", 8}}};
  model.residual_quantiles = {{0, 0, 0.1, 100}};
  model.unseen_model_quantiles = {{0, 0, 0.3, 100}};
  return model;
}

TEST(GroupedGemms, LeftOutModelsLayOutsideAsWell) {
  const auto model = model_of_layers();
  const RoutingConditions balanced{"balanced", 0, 0};
  const auto half_width = [&](const Prediction& p) { return std::log(p.hi / p.seconds); };
  // The first model lay 1 + 1 + 2 + 1 doublings below the others when it was left out.
  Point point{{"hidden", 8192}, {"inter", 4096},        {"experts", 128},      {"top_k", 8},
              {"tokens", 64},   {"tensor_parallel", 1}, {"expert_parallel", 1}};
  const auto near = predict_with(model, point, balanced);
  EXPECT_NEAR(half_width(near), 0.3, 1e-12);
  EXPECT_THAT(near.flags, testing::Contains(testing::HasSubstr(
                              "experts = 128 is not between 8 and 64: no further than models")));
  point["experts"] = 64 * 16;  // 6 doublings: one further
  const auto far = predict_with(model, point, balanced);
  EXPECT_NEAR(half_width(far), 0.3 * 1.5, 1e-12);
  EXPECT_THAT(far.flags, testing::Contains(testing::HasSubstr("8 and 64: interval widened")));
  point["tokens"] = 8192;  // no number of the model's
  EXPECT_NEAR(half_width(predict_with(model, point, balanced)), 0.3 * 2, 1e-12);
}

TEST(GroupedGemms, FitAndPredictEndToEnd) {
  const auto result = fit(std::vector{synthetic::file(layers({.spread = 0.02}))}, {});
  ASSERT_EQ(result.coefficients.models.size(), 1u) << "routings are not series apart";
  EXPECT_EQ(result.coefficients.models[0].form, "grouped_gemms");
  const auto text = to_json(result.coefficients);
  const auto read = parse_coefficients(text, "c.json");
  Query query{.operation = "moe_layer", .dtype = "bf16"};
  query.point = point_of({4096, 14336, 8, 2, 4, 2}, 1000);
  query.routing = "power_law_loads";
  query.exponent = 1.2;
  const auto skewed = predict(read, query).prediction;
  query.routing = "balanced";
  query.exponent.reset();
  const auto even = predict(read, query).prediction;
  ASSERT_TRUE(skewed && even);
  EXPECT_GT(skewed->seconds, even->seconds);
  const auto exact = evaluate(truth(), inputs_of("moe_layer", query.point, kBf16, {"balanced"}));
  EXPECT_LT(even->lo, exact);
  EXPECT_GT(even->hi, exact);
  EXPECT_NEAR(even->seconds / exact, 1, 0.05);
}

}  // namespace
}  // namespace moecal::calibration
