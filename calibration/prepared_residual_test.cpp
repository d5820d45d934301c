// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prepared_residual.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "calibration/grouped_gemms.hpp"
#include "calibration/predict.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/residual.hpp"
#include "calibration/tile_wave.hpp"

namespace moecal::calibration {
namespace {

const Dtypes kBf16{"bf16", "bf16", "bf16", "f32", "none", ""};
const ReferenceRates kRates{989e12, 3.35e12, true, 132};

/// Points of an operation in one corner of what a model will say it is valid for.
std::vector<FitPoint> points_of(const std::string& operation, std::int64_t step) {
  std::vector<FitPoint> points;
  for (std::int64_t groups = 4; groups <= (operation == "grouped_gemm" ? 32 : 4); groups *= 2)
    for (std::int64_t m = 8; m <= 4096; m = m * step / 2)
      for (std::int64_t n = 512; n <= 8192; n = n * step / 2)
        for (const std::int64_t k : {1024, 4096}) {
          Point point{{"m", m}, {"n", n}, {"k", k}};
          if (operation == "grouped_gemm") point["groups"] = groups;
          const auto inputs = inputs_of(operation, point, kBf16, {"balanced"});
          const double ripple = 1 + 0.2 * std::sin(static_cast<double>(n + m) / 700);
          points.push_back(
              {inputs, ripple * (3e-6 + std::hypot(inputs.flops / 700e12, inputs.bytes / 3e12))});
        }
  return points;
}

/// Valid far beyond the points, so that calls inside of it lie past the residual's gate.
Model model_of(const std::string& operation, std::int64_t step) {
  const bool grouped = operation == "grouped_gemm";
  const auto points = points_of(operation, step);
  auto model = grouped ? fit_grouped_gemms(points, kRates) : fit_tile_wave(points, kRates);
  const auto* features = grouped ? kExpertFeatures : kGemmFeatures;
  model.residual =
      fit_residual(points, model, plan_residual(points, model, kRates.multiprocessors, features));
  model.id = operation;
  model.operation = operation;
  model.conditions.dtype = "bf16";
  model.validity = {{"m", {1, 16384}}, {"n", {128, 65536}}, {"k", {1024, 4096}}};
  if (grouped) model.validity["groups"] = {1, 64};
  model.residual_quantiles = {{0, 65, 0.05, 30}, {65, 512, 0.04, 30}, {512, 0, 0.03, 30}};
  model.residual->compact_quantiles = {{0, 65, 0.2, 30}, {65, 512, 0.15, 30}, {512, 0, 0.1, 30}};
  return model;
}

struct Case {
  const char *operation, *kind;
  std::int64_t step;  // twice the factor between points
};

class PreparedResiduals : public testing::TestWithParam<Case> {};

TEST_P(PreparedResiduals, SayWhatPredictWithSaysInsideAndPastTheGate) {
  const auto model = model_of(GetParam().operation, GetParam().step);
  ASSERT_EQ(model.residual->kind, GetParam().kind);
  constexpr std::size_t kCalls = 700;  // not a multiple of a block
  std::mt19937 engine{7};
  std::vector<std::vector<std::int64_t>> numbers;
  for (const auto& [name, range] : model.validity) {
    std::uniform_real_distribution<double> log_value{std::log(range.first + 0.5),
                                                     std::log(range.second)};
    auto& column = numbers.emplace_back();
    for (std::size_t i = 0; i < kCalls; ++i)
      column.push_back(static_cast<std::int64_t>(std::ceil(std::exp(log_value(engine)) - 0.5)));
  }
  std::vector<CallColumn> columns;
  for (const auto& [name, range] : model.validity)
    columns.push_back({name, numbers[columns.size()]});
  std::vector<double> seconds(kCalls), half_widths(kCalls);
  PreparedModel{model}.predict(columns, {seconds, half_widths});
  std::size_t faded = 0;
  for (std::size_t i = 0; i < kCalls; ++i) {
    Point point;
    for (const auto& column : columns) point[column.name] = column.values[i];
    const auto expected = predict_with(model, point);
    if (model.residual->kind == kSymmetricTrees)
      EXPECT_EQ(seconds[i], expected.seconds) << "call " << i;
    else
      EXPECT_NEAR(seconds[i] / expected.seconds, 1, 1e-13) << "call " << i;
    EXPECT_NEAR(half_widths[i], std::log(expected.hi / expected.seconds), 1e-12) << "call " << i;
    faded += expected.flags.empty() ? 0 : 1;
  }
  EXPECT_GT(faded, kCalls / 10);
  EXPECT_LT(faded, kCalls - kCalls / 10);
}

INSTANTIATE_TEST_SUITE_P(OfGemms, PreparedResiduals,
                         testing::Values(Case{"expert_gemm", kRadialBasis, 3},
                                         Case{"grouped_gemm", kRadialBasis, 4},
                                         Case{"grouped_gemm", kSymmetricTrees, 3}));

TEST(PreparedGate, WeighsEveryPlaceAsTheGateDoes) {
  std::mt19937 engine{3};
  std::uniform_real_distribution<double> octave{0, 12};
  const auto& set = feature_set(kGemmFeatures);
  for (const std::size_t centres : {1u, 16u, 37u}) {
    Residual residual;
    residual.features = kGemmFeatures;
    residual.gate.reach = 1.5;
    for (std::size_t i = 0; i < centres; ++i)
      residual.gate.centres.push_back({octave(engine), octave(engine), octave(engine)});
    std::vector<Inputs> calls(300);
    for (auto& call : calls)
      for (double* extent : {&call.m, &call.n, &call.k}) *extent = std::exp2(octave(engine));
    std::vector<double> weights(calls.size());
    PreparedGate{residual.gate}.weights(coordinate_columns(set, calls), weights);
    for (std::size_t i = 0; i < calls.size(); ++i)
      EXPECT_EQ(weights[i], residual_weight(residual, calls[i])) << centres << " centres";
  }
}

TEST(PreparedBasis, HasTheValuesOfTheBasis) {
  std::mt19937 engine{5};
  std::uniform_real_distribution<double> octave{0, 12}, weight{-1, 1};
  RadialBasis basis{{1, 4, 3}, 0.4, {}};  // 3: no fit has such a length, a file may
  std::vector<Coordinates> centres;
  for (int i = 0; i < 200; ++i) {
    centres.push_back({octave(engine), octave(engine), octave(engine)});
    basis.weights.push_back(weight(engine));
  }
  std::vector<std::vector<double>> columns(3, std::vector<double>(300));
  for (auto& column : columns)
    for (double& value : column) value = octave(engine);
  columns[0][7] = 1e6;  // far from every centre
  std::vector<double> values(300);
  PreparedBasis{basis, centres}.values(columns, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Coordinates place{columns[0][i], columns[1][i], columns[2][i]};
    EXPECT_NEAR(values[i], evaluate(basis, centres, place), 1e-14);
  }
  EXPECT_LT(std::abs(values[7]), 1e-290);
}

}  // namespace
}  // namespace moecal::calibration
