// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/prepared_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/roofline.hpp"
#include "calibration/testing/synthetic.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::calibration {
namespace {

using synthetic::observation;

double two_segments(double bytes) {
  return 5e-6 + std::min(bytes, 65536.0) / 100e9 + std::max(bytes - 65536, 0.0) / 20e9;
}

/// Models of every form that a fit makes.
std::vector<Model> fitted_models() {
  auto all = synthetic::curve("all_reduce", 4, 21, two_segments, {.spread = 0.1, .seed = 3});
  const auto add = [&](std::vector<Observation> more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  add(synthetic::curve("memory_copy", 1, 19, two_segments, {.spread = 0.05, .seed = 4}));
  add(synthetic::curve("broadcast", 4, 3, two_segments, {.spread = 0.05, .seed = 5}));
  synthetic::Disturbance disturb{{.spread = 0.02, .seed = 6}};
  for (std::int64_t m = 1; m <= 8192; m *= 4)
    for (std::int64_t n = 512; n <= 8192; n *= 2)
      for (std::int64_t k = 512; k <= 8192; k *= 4) {
        const double flops = 2.0 * static_cast<double>(m * n * k);
        const double bytes = 4.0 * static_cast<double>(m * k + k * n + m * n);
        all.push_back(observation(
            "expert_gemm", {{"m", m}, {"n", n}, {"k", k}},
            disturb(2e-6 +
                    std::hypot(flops / 5e14 * (1 + 60.0 / static_cast<double>(m)), bytes / 2e12))));
      }
  for (std::int64_t tokens = 64; tokens <= 65536; tokens *= 4)
    all.push_back(observation("permute",
                              {{"tokens", tokens}, {"hidden", 128}, {"experts", 8}, {"top_k", 2}},
                              1e-6 + 1e-9 * static_cast<double>(tokens)));
  for (std::int64_t tokens = 64; tokens <= 65536; tokens *= 4) {
    const double seconds = 2e-6 + 1e-10 * static_cast<double>(tokens);
    const Point gate{{"tokens", tokens}, {"experts", 8 + tokens % 3}, {"top_k", 2}};
    all.push_back(observation("topk_gate", gate, seconds));
    all.push_back(observation("swiglu", {{"tokens", tokens}, {"inner", 256}}, seconds));
    all.push_back(observation("host_adam", {{"parameters", tokens}}, seconds));
    all.push_back(observation("home_made", {{"rows", tokens}, {"columns", 9}}, seconds));
    // Its work grows with the square of the sequence: no sum of products.
    all.push_back(observation("attention",
                              {{"sequence", tokens},
                               {"batch", 1},
                               {"heads", 4},
                               {"kv_heads", 2},
                               {"head_size", 64},
                               {"causal", 1}},
                              seconds));
  }
  for (std::int64_t compute = 10'000; compute <= 160'000; compute *= 2)
    for (std::int64_t communication = 10'000; communication <= 160'000; communication *= 4)
      all.push_back(observation("overlap",
                                {{"compute_ns", compute}, {"communication_ns", communication}},
                                2e-6 + 1e-9 * std::hypot(static_cast<double>(compute),
                                                         static_cast<double>(communication))));
  for (std::int64_t groups = 2; groups <= 32; groups *= 2)
    for (std::int64_t m = 1; m <= 4096; m *= 4)
      for (const std::int64_t n : {1024, 4096}) {
        const double flops = 2.0 * static_cast<double>(groups * m * n * 2048);
        const double bytes = 4.0 * static_cast<double>(groups * n * 2048);
        all.push_back(observation("grouped_gemm",
                                  {{"groups", groups}, {"m", m}, {"n", n}, {"k", 2048}},
                                  disturb(4e-6 + std::hypot(flops / 6e14, bytes / 3e12))));
      }
  for (std::int64_t tokens = 16; tokens <= 4096; tokens *= 2)
    for (const std::int64_t hidden : {2048, 4096, 7168})
      for (const std::int64_t experts : {64, 256}) {
        const Point point{
            {"tokens", tokens}, {"hidden", hidden}, {"experts", experts}, {"top_k", experts / 32}};
        auto o = observation("moe_dispatch", point,
                             disturb(2e-5 + static_cast<double>(tokens * hidden) / 4e10));
        o.ranks.group = o.ranks.world = 8;
        all.push_back(std::move(o));
      }
  const std::vector<ObservationFile> files{synthetic::file(all)};
  return fit(files, {}).coefficients.models;
}

/// Calls inside and outside the validity of a model, column by column.
std::vector<std::vector<std::int64_t>> calls_of(const Model& model, std::size_t count) {
  std::mt19937 engine{7};
  std::vector<std::vector<std::int64_t>> columns;
  for (const auto& [name, range] : model.validity) {
    std::uniform_real_distribution<double> log_value{std::log(0.4 * range.first),
                                                     std::log(3 * range.second)};
    auto& column = columns.emplace_back();
    for (std::size_t i = 0; i < count; ++i)
      column.push_back(i % 7 == 0   ? static_cast<std::int64_t>(range.first)
                       : i % 7 == 1 ? static_cast<std::int64_t>(range.second)
                                    : static_cast<std::int64_t>(1 + std::exp(log_value(engine))));
  }
  return columns;
}

void expect_as_predict_with(const Model& model) {
  constexpr std::size_t kCalls = 700;  // not a multiple of a block
  const auto numbers = calls_of(model, kCalls);
  std::vector<CallColumn> columns;
  for (const auto& [name, range] : model.validity)
    columns.push_back({name, numbers[columns.size()]});
  std::vector<double> seconds(kCalls), half_widths(kCalls);
  PreparedModel{model}.predict(columns, {seconds, half_widths});
  for (std::size_t i = 0; i < kCalls; ++i) {
    Point point;
    for (const auto& column : columns) point[column.name] = column.values[i];
    const auto expected = predict_with(model, point);
    EXPECT_NEAR(seconds[i] / expected.seconds, 1, 1e-12) << model.id << " call " << i;
    EXPECT_NEAR(half_widths[i], std::log(expected.hi / expected.seconds), 1e-12) << model.id;
  }
}

TEST(PreparedModel, SaysWhatPredictWithSaysOfEveryForm) {
  std::set<std::string> forms;
  for (const auto& model : fitted_models()) {
    expect_as_predict_with(model);
    forms.insert(model.form);
  }
  EXPECT_TRUE(forms.contains("log_log_table"));
  EXPECT_TRUE(forms.contains("segmented_latency_bandwidth"));
  EXPECT_TRUE(forms.contains("latency_bandwidth"));
  EXPECT_TRUE(forms.contains("overlap"));
  EXPECT_TRUE(forms.contains("saturating_roofline"));
  EXPECT_TRUE(forms.contains("grouped_gemms"));
  EXPECT_TRUE(forms.contains("expert_exchange"));
}

TEST(PreparedModel, KeepsTablesWithUnevenRowsAndUnderflowingSizes) {
  Model model;
  model.id = "uneven";
  model.operation = "all_reduce";
  model.conditions.dtype = "f16";
  model.form = "log_log_table";
  model.table = {{3, 1e-6}, {5, 2e-6}, {6, 2e-6}, {7, 3e-6}, {1000, 1e-5}, {1 << 20, 1e-3}};
  model.validity = {{"bytes", {3, 1 << 20}}};
  expect_as_predict_with(model);
  EXPECT_EQ(model.residual_quantiles.size(), 0u);  // and without calibrated intervals
}

TEST(PreparedModel, TakesTheLogarithmsOfTablesOfAnyOperationAndRegime) {
  Model model;
  model.id = "table";
  model.conditions.dtype = "f16";
  for (int i = 0; i <= 20; ++i)
    model.table.emplace_back(std::ldexp(700.0, i), 8e-6 + std::ldexp(512.0, i % 9) / 1e11);
  model.residual_quantiles = {
      {0, 65537, 0.2, 30}, {65537, 4194305, 0.15, 30}, {4194305, 0, 0.1, 30}};
  const std::pair<const char*, const char*> operations[] = {{"all_reduce", "bytes"},
                                                            {"host_adam", "parameters"}};
  for (const auto& [operation, number] : operations)
    for (const auto* form : {"log_log_table", "pooled_curve"}) {
      model.operation = operation;
      model.form = form;
      model.validity = {{number, {700, std::ldexp(700.0, 20)}}};
      expect_as_predict_with(model);
    }
}

TEST(PreparedModel, SecondsAloneNeedNoHalfWidths) {
  Model model;
  model.id = "line";
  model.operation = "all_reduce";
  model.conditions.dtype = "f16";
  model.form = "segmented_latency_bandwidth";
  model.parameters = {{"latency", 1e-6, "s", 0}, {"inverse_bandwidth_1", 1e-9, "s/B", 0}};
  model.validity = {{"bytes", {1, 1000}}};
  const std::vector<std::int64_t> bytes{1, 1000};
  std::vector<double> seconds(2);
  const std::vector<CallColumn> columns{{"bytes", bytes}};
  const PreparedModel prepared{model};
  prepared.predict(columns, {seconds, {}});
  EXPECT_DOUBLE_EQ(seconds[1], 2e-6);
  seconds.resize(3);
  EXPECT_EQ(thrown_message([&] {
              prepared.predict(columns, {seconds, {}});
            }),
            "the column 'bytes' has 2 numbers for 3 predictions");
  seconds.resize(2);
  EXPECT_EQ(thrown_message([&] {
              prepared.predict({}, {seconds, {}});
            }),
            "a batch of predictions lacks the column 'bytes'");
}

}  // namespace
}  // namespace moecal::calibration
