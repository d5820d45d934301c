// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/run_doubt.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/testing/synthetic.hpp"

// A run that was not measured lies apart from those that were by what they lie apart from each
// other.
namespace moecal::calibration {
namespace {

double line(double bytes) { return 1e-5 + bytes / 2e10; }

/// How runs differ: as wholes, and at each point by itself.
struct Spread {
  double of_runs = 0, of_points = 0;
};

/// Twelve sizes in each of so many runs.
std::vector<Observation> runs_of(int runs, const Spread& spread, std::mt19937& engine) {
  std::normal_distribution<double> normal;
  std::vector<Observation> all;
  for (int run = 0; run < runs; ++run) {
    const double shift = std::exp(spread.of_runs * normal(engine));
    const synthetic::Noise noise{.spread = spread.of_points,
                                 .seed = static_cast<unsigned>(engine())};
    for (auto o : synthetic::curve(
             "all_reduce", 4, 12, [&](double bytes) { return shift * line(bytes); }, noise)) {
      o.run_id = "run-" + std::to_string(run);
      all.push_back(std::move(o));
    }
  }
  return all;
}

/// The share of a next run's points that predictions from `runs` runs cover, over many machines.
double coverage(int runs, const Spread& spread, int machines) {
  std::mt19937 engine{7};
  int covered = 0, points = 0;
  for (int machine = 0; machine < machines; ++machine) {
    const std::vector<ObservationFile> files{synthetic::file(runs_of(runs, spread, engine))};
    const auto coefficients = fit(files, {.compact = true, .threads = 1}).coefficients;
    for (const auto& o : runs_of(1, spread, engine)) {
      Query query{.operation = "all_reduce", .point = o.point};
      query.group = 4;
      const auto p = predict(coefficients, query).prediction.value();
      covered += p.lo <= o.seconds() && o.seconds() <= p.hi ? 1 : 0;
      ++points;
    }
  }
  return static_cast<double>(covered) / points;
}

TEST(RunDoubt, CoversTheNextRunWhereRunsDifferAsWholes) {
  EXPECT_NEAR(coverage(4, {.of_runs = 0.1, .of_points = 0.005}, 100), 0.9, 0.06);
  EXPECT_NEAR(coverage(2, {.of_runs = 0.1, .of_points = 0.005}, 100), 0.9, 0.06);
}

// Held-out points know most of this already: no interval may fall short, but it may be wider.
TEST(RunDoubt, DoesNotFallShortWhereEachPointDiffersByItself) {
  const double covered = coverage(4, {.of_points = 0.05}, 40);
  EXPECT_GT(covered, 0.87);
  EXPECT_LT(covered, 0.985);
}

TEST(RunDoubt, OfOneRunIsUnknown) {
  std::mt19937 engine{3};
  const auto coefficients =
      fit(std::vector{synthetic::file(runs_of(1, {.of_points = 0.01}, engine))}, {}).coefficients;
  for (const auto& model : coefficients.models) EXPECT_EQ(run_doubt(model.quality.variance), 0);
  EXPECT_EQ(to_json(coefficients).find("between_freedom"), std::string::npos);
}

TEST(RunDoubt, ByHand) {
  VarianceComponents variance{.runs = 4, .between_runs = 0.1, .between_freedom = 3};
  EXPECT_NEAR(run_doubt(variance), 2.3534 * 0.1 * std::sqrt(1.25), 1e-9);
  variance.between_freedom = 0;  // of an earlier moecal
  EXPECT_NEAR(run_doubt(variance), 2.3534 * 0.1 * std::sqrt(1.25), 1e-9);
  variance.between_freedom = 1e12;
  EXPECT_NEAR(run_doubt(variance), 1.6449 * 0.1 * std::sqrt(1.25), 1e-9);
  variance.between_freedom = 1.5;
  EXPECT_GT(run_doubt(variance), 2.92 * 0.1 * std::sqrt(1.25));
  EXPECT_LT(run_doubt(variance), 6.3138 * 0.1 * std::sqrt(1.25));
}

TEST(RunDoubt, IsWhatManyPredictionsHaveToo) {
  std::mt19937 engine{5};
  const auto files = std::vector{synthetic::file(runs_of(3, {.of_runs = 0.1}, engine))};
  const auto coefficients = parse_coefficients(to_json(fit(files, {}).coefficients), "c.json");
  for (const auto& model : coefficients.models) {
    if (model.conditions.group == kAnyGroup) continue;
    const std::vector<std::int64_t> sizes{1000, 5000, 100000};
    std::vector<double> seconds(3), half_widths(3);
    PreparedModel{model}.predict(std::vector<CallColumn>{{"bytes", sizes}}, {seconds, half_widths});
    for (std::size_t i = 0; i < 3; ++i) {
      const auto one = predict_with(model, {{"bytes", sizes[i]}});
      EXPECT_GT(half_widths[i], run_doubt(model.quality.variance));
      EXPECT_NEAR(half_widths[i], std::log(one.hi / one.seconds), 1e-12);
    }
  }
}

}  // namespace
}  // namespace moecal::calibration
