// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/residual.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const Dtypes kBf16{"bf16", "bf16", "bf16", "f32", "none", ""};
const std::vector<RoutingSpec> kRoutings{{"balanced"}, {"power_law_loads", 1, 1.2}};

/// What no compact form follows: a slow wave over the rows and the width of the first product.
double wave(const GroupedInputs& g) {
  return 0.2 * std::sin(0.9 * std::log2(g.rows) + 0.5 * std::log2(g.products[0].n));
}

double true_seconds(const std::string& operation, const Point& point, const RoutingSpec& routing,
                    double height) {
  const auto inputs = inputs_of(operation, point, kBf16, routing);
  const double compact = 2e-5 + std::hypot(inputs.flops / 4e14, inputs.bytes / 2e12);
  return compact * std::exp(height * wave(inputs.grouped));
}

Point layer(std::int64_t tokens, std::int64_t tensor_parallel, std::int64_t expert_parallel,
            std::int64_t inter = 768) {
  return {{"tokens", tokens},
          {"hidden", 2048},
          {"inter", inter},
          {"experts", 64},
          {"top_k", 8},
          {"tensor_parallel", tensor_parallel},
          {"expert_parallel", expert_parallel}};
}

/// Points of layers or grouped GEMMs as observations of that truth.
class Machine {
 public:
  /// `height` of the wave, and the spread of log times.
  explicit Machine(double height, double spread = 0.005)
      : height_{height}, disturb_{{.spread = spread, .seed = 8}} {}
  void measure(const std::string& operation, const Point& point, const RoutingSpec& routing) {
    auto o = synthetic::observation(operation, point,
                                    disturb_(true_seconds(operation, point, routing, height_)));
    o.dtypes = kBf16;
    o.routed = true;
    o.routing = routing;
    all_.push_back(std::move(o));
  }
  [[nodiscard]] Coefficients fitted(bool compact = false) const {
    FitOptions options;
    options.compact = compact;
    return fit(std::vector{synthetic::file(all_)}, options).coefficients;
  }

 private:
  double height_;
  std::vector<Observation> all_;
  synthetic::Disturbance disturb_;
};

/// Layers of three models over twelve splits; token counts grow by `step`.
Machine machine_of_layers(std::int64_t step, Machine machine = Machine{1}) {
  for (const auto& [hidden, inter, experts, top_k] :
       {std::array<std::int64_t, 4>{2048, 768, 64, 8}, {4096, 14336, 8, 2}, {7168, 2048, 128, 8}})
    for (const std::int64_t tensor : {1, 2, 4})
      for (const std::int64_t parallel : {1, 2, 4, 8})
        for (std::int64_t tokens = 1; tokens <= 16384; tokens *= step)
          for (const auto& routing : kRoutings) {
            auto point = layer(tokens, tensor, parallel, inter);
            point["hidden"] = hidden;
            point["experts"] = experts;
            point["top_k"] = top_k;
            machine.measure("moe_layer", point, routing);
          }
  return machine;
}

const Model& only_model(const Coefficients& coefficients) {
  if (coefficients.models.size() != 1) throw Error{"not one model"};
  return coefficients.models.front();
}

Model compact_of(Model model) {
  model.residual.reset();
  return model;
}

const RoutingConditions kBalanced{"balanced", 0, 0};

/// Fits of few points learn by a radial basis, of many by trees.
class ExpertResiduals : public testing::TestWithParam<std::pair<std::int64_t, const char*>> {
 protected:
  static const Coefficients& fitted() {
    static std::map<std::int64_t, Coefficients> all;
    const auto step = GetParam().first;
    if (!all.contains(step)) all[step] = machine_of_layers(step).fitted();
    return all.at(step);
  }
};

TEST_P(ExpertResiduals, LearnWhatTheFormLeavesOverOfModelsMeasured) {
  const auto& model = only_model(fitted());
  ASSERT_TRUE(model.residual.has_value());
  EXPECT_EQ(model.residual->kind, GetParam().second);
  EXPECT_EQ(model.residual->features, kExpertFeatures);
  EXPECT_EQ(model.form, "grouped_gemms");
  const auto compact = compact_of(model);
  double own = 0, of_form = 0;
  int calls = 0;
  // Between the token counts measured; two routings of one rank are in one place.
  for (const std::int64_t tokens : {30, 130, 500, 2100, 8000})
    for (const std::int64_t parallel : {1, 2, 8}) {
      const auto point = layer(tokens, 2, parallel);
      const double truth = true_seconds("moe_layer", point, {"balanced"}, 1);
      const auto prediction = predict_with(model, point, kBalanced);
      EXPECT_TRUE(prediction.flags.empty()) << tokens << ": " << prediction.flags.front();
      own += std::abs(std::log(prediction.seconds / truth));
      of_form += std::abs(std::log(predict_with(compact, point, kBalanced).seconds / truth));
      ++calls;
    }
  EXPECT_LT(own / calls, 0.03);
  EXPECT_LT(own, 0.5 * of_form);
}

TEST_P(ExpertResiduals, CountForNothingAtAModelNeverMeasured) {
  const auto& model = only_model(fitted());
  ASSERT_TRUE(model.residual.has_value());
  for (const std::int64_t inter : {640, 896, 8192}) {
    const auto point = layer(32, 2, 4, inter);
    const auto prediction = predict_with(model, point, kBalanced);
    EXPECT_EQ(prediction.seconds, predict_with(compact_of(model), point, kBalanced).seconds);
    EXPECT_THAT(prediction.flags, Contains(HasSubstr("no layer of this model was measured")));
    EXPECT_THAT(prediction.flags, Contains(HasSubstr("residual counts 0 %")));
    EXPECT_GE(std::log(prediction.hi / prediction.seconds),
              model.unseen_model_quantiles.front().half_width_90 * (1 - 1e-12));
  }
}

TEST_P(ExpertResiduals, SurviveTheFileAndTheNextFitUnchanged) {
  const auto text = to_json(fitted());
  const auto read = parse_coefficients(text, "c.json");
  EXPECT_EQ(to_json(read), text);
  EXPECT_EQ(to_json(machine_of_layers(GetParam().first).fitted()), text);
  const auto point = layer(100, 2, 2);
  EXPECT_EQ(predict_with(only_model(read), point, kBalanced).seconds,
            predict_with(only_model(fitted()), point, kBalanced).seconds);
}

INSTANTIATE_TEST_SUITE_P(ByNumberOfPoints, ExpertResiduals,
                         testing::Values(std::pair{std::int64_t{4}, kRadialBasis},
                                         std::pair{std::int64_t{2}, kSymmetricTrees}));

TEST(ExpertResidual, IsNotPartOfCompactCoefficients) {
  EXPECT_FALSE(only_model(machine_of_layers(4).fitted(true)).residual.has_value());
}

TEST(ExpertResidual, IsLeftOutWhereTheFormLeavesOnlyNoise) {
  EXPECT_FALSE(only_model(machine_of_layers(4, Machine{0, 0.1}).fitted()).residual.has_value());
}

/// Grouped GEMMs of a routing of their own: no model's numbers, so the shape alone is the place.
Machine machine_of_groups() {
  Machine machine{1};
  for (std::int64_t groups = 2; groups <= 64; groups *= 2)
    for (std::int64_t m = 1; m <= 4096; m *= 4)
      for (const std::int64_t n : {1024, 2048, 4096, 8192})
        machine.measure("grouped_gemm", {{"groups", groups}, {"m", m}, {"n", n}, {"k", 2048}},
                        {"balanced"});
  return machine;
}

TEST(ExpertResidual, OfGroupedGemmsIsTheSameInABatch) {
  const auto coefficients = machine_of_groups().fitted();
  const auto& model = only_model(coefficients);
  ASSERT_TRUE(model.residual.has_value());
  EXPECT_EQ(model.residual->features, kExpertFeatures);
  const Point inside{{"groups", 24}, {"m", 100}, {"n", 3000}, {"k", 2048}};
  const Point far{{"groups", 24}, {"m", 100}, {"n", 1 << 20}, {"k", 1 << 17}};
  EXPECT_THAT(predict_with(model, inside).flags, Not(Contains(HasSubstr("residual counts"))));
  EXPECT_THAT(predict_with(model, far).flags, Contains(HasSubstr("residual counts 0 %")));
  const PreparedModel prepared{model};
  for (const auto& point : {inside, far}) {
    std::vector<CallColumn> columns;
    for (const auto& [name, value] : point) columns.push_back({name, std::span{&value, 1}});
    double seconds = 0, half_width = 0;
    prepared.predict(columns, {std::span{&seconds, 1}, std::span{&half_width, 1}});
    const auto expected = predict_with(model, point);
    EXPECT_NEAR(seconds / expected.seconds, 1, 1e-12);
    EXPECT_NEAR(half_width, std::log(expected.hi / expected.seconds), 1e-12);
  }
}

}  // namespace
}  // namespace moecal::calibration
