// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/tile_wave.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "calibration/testing/synthetic.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

const ReferenceRates kCard{1e15, 4e12, true, 100};

Model truth() {
  Model model;
  model.id = "truth";
  model.form = "tile_wave";
  model.parameters = {{"t0", 3e-6, "s", 0},
                      {"e1", 1.25, "1", 0},
                      {"e2", 1.3, "1", 0},
                      {"e3", 0.2, "B", 0},
                      {"b0", 1e6, "B", 0},
                      {"k0", 150, "1", 0},
                      {"f", 0.6, "1", 0},
                      {"e4", 2, "1", 0},
                      {"q", 4, "1", 0},
                      {"u", 0.3, "1", 0},
                      {"splits", 8, "1", 0},
                      {"multiprocessors", 100, "1", 0},
                      {"nominal_flops", 1e15, "FLOP/s", 0},
                      {"nominal_bandwidth", 4e12, "B/s", 0}};
  return model;
}

Inputs gemm(double m, double n, double k) {
  return {m, 2 * m * n * k, 2 * (m * k + k * n + m * n), m, n, k};
}

std::vector<FitPoint> points_of(const Model& model, const synthetic::Noise& noise) {
  synthetic::Disturbance disturb{noise};
  std::vector<FitPoint> points;
  for (const double m : {1, 16, 65, 128, 257, 512, 1000, 2048, 4097, 8192})
    for (const double n : {512, 1536, 4096, 7168, 16384})
      for (const double k : {512, 2048, 7168, 16384}) {
        const auto inputs = gemm(m, n, k);
        points.push_back({inputs, disturb(evaluate(model, inputs))});
      }
  return points;
}

TEST(TileWave, CostsWhatItsEquationSays) {
  auto model = truth();
  for (auto& p : model.parameters) {
    if (p.name == "e2") p.value = 1e-6;  // no memory side
    if (p.name == "splits") p.value = 1;
  }
  // One tile of 64 x 64 is one wave; of the three sides 64 wastes least.
  const double step = 2.0 * 64 * 64 * 100 / 1e15 * 1.25 + 128 * 0.2 * 100 / 4e12;
  EXPECT_NEAR(evaluate(model, gemm(64, 64, 1000)), 3e-6 + step * 1150, 1e-9);
  // 65 rows are two rows of tiles, of which 63 rows are empty; two tiles still fit one wave.
  EXPECT_NEAR(evaluate(model, gemm(65, 64, 1000)), 3e-6 + step * 1150 * (1 + 0.3 * 63 / 64), 1e-9);
}

TEST(TileWave, ASplitOfKFillsAnEmptyCard) {
  auto whole = truth();
  for (auto& p : whole.parameters)
    if (p.name == "splits") p.value = 1;
  EXPECT_LT(evaluate(truth(), gemm(64, 512, 16384)), 0.5 * evaluate(whole, gemm(64, 512, 16384)));
  EXPECT_EQ(evaluate(truth(), gemm(8192, 8192, 512)), evaluate(whole, gemm(8192, 8192, 512)));
}

TEST(TileWave, IsRecoveredAlsoWithSpikes) {
  const auto points =
      points_of(truth(), {.spread = 0.01, .spike_share = 0.1, .spike_factor = 2, .seed = 3});
  const auto model = fit_tile_wave(points, kCard);
  EXPECT_EQ(parameter(model, "splits"), 8);
  for (const char* name : {"t0", "e1", "e2", "f"})
    EXPECT_NEAR(parameter(model, name) / parameter(truth(), name), 1, 0.1) << name;
  for (const auto& point : points_of(truth(), {}))
    EXPECT_NEAR(evaluate(model, point.inputs) / point.seconds, 1, 0.06)
        << point.inputs.m << " " << point.inputs.n << " " << point.inputs.k;
}

TEST(TileWave, ACastOfTheActivationsComesBeforeTheProduct) {
  auto cast = truth();  // without "a", as files of before it, nothing is cast
  cast.parameters.push_back({"a", 6, "B", 0});
  const auto call = gemm(4096, 512, 8192);
  EXPECT_NEAR(evaluate(cast, call) - evaluate(truth(), call), 6.0 * 4096 * 8192 / 4e12, 1e-12);
  const auto points = points_of(cast, {.spread = 0.01, .seed = 4});
  EXPECT_NEAR(parameter(fit_tile_wave(points, kCard), "a"), 6, 0.6);
}

TEST(TileWave, TheSamePointsGiveTheSameNumbers) {
  const auto points = points_of(truth(), {.spread = 0.05, .seed = 5});
  const auto a = fit_tile_wave(points, kCard), b = fit_tile_wave(points, kCard);
  for (std::size_t i = 0; i < a.parameters.size(); ++i)
    EXPECT_EQ(a.parameters[i].value, b.parameters[i].value) << a.parameters[i].name;
}

TEST(TileWave, NeedsPointsAndTheCardsMultiprocessors) {
  const auto points = points_of(truth(), {});
  EXPECT_THROW((void)fit_tile_wave(std::span{points}.first(kTileWavePoints - 1), kCard),
               InvalidInput);
  EXPECT_THROW((void)fit_tile_wave(points, {1e15, 4e12, true, 0}), InvalidInput);
}

}  // namespace
}  // namespace moecal::calibration
