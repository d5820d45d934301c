// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/compare_runs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/run_doubt.hpp"
#include "calibration/testing/synthetic_repeats.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

using synthetic::observation;
using synthetic::repeats;
using synthetic::repeats_of;

TEST(CompareRuns, GivesBackTheVariancesThatMadeTheRepeats) {
  for (const auto& [between, within] : {std::pair{0.05, 0.02}, {0.05, 0.1}, {0.08, 0.08}}) {
    const auto observations = repeats(400, 4, 5, between, within);
    const auto found = compare_runs(repeats_of(observations)).variance;
    EXPECT_EQ(found.runs, 4);
    EXPECT_NEAR(found.within_run, within, 0.05 * within);
    EXPECT_NEAR(found.between_runs, between, 0.1 * between + 0.1 * within / 5);
    EXPECT_EQ(found.samples_in_runs, 400 * (4 + 5 + 4 + 5));
  }
}

TEST(CompareRuns, RunsThatDifferNoMoreThanTheirSamplesHaveNoVarianceOfTheirOwn) {
  const auto observations = repeats(400, 3, 8, 0, 0.1);
  EXPECT_LT(compare_runs(repeats_of(observations)).variance.between_runs, 0.01);
}

TEST(CompareRuns, SaysWhatIsUnknown) {
  const auto one_run = repeats(50, 1, 5, 0.05, 0.02);
  const auto of_one = compare_runs(repeats_of(one_run)).variance;
  EXPECT_EQ(of_one.runs, 1);
  EXPECT_EQ(of_one.between_runs, 0);
  EXPECT_NEAR(of_one.within_run, 0.02, 0.003);
  auto one_sample = repeats(400, 4, 1, 0.03, 0.04);
  for (auto& o : one_sample) o.samples_s.resize(1);
  const auto together = compare_runs(repeats_of(one_sample)).variance;
  EXPECT_EQ(together.samples_in_runs, 0);
  EXPECT_NEAR(together.between_runs, 0.05, 0.004);  // both: sqrt(0.03^2 + 0.04^2)
}

TEST(CompareRuns, ByHand) {
  // Logs of the runs: {0, 2} and {4, 6}. Within: 4 squares of 1 over 2. Between: means 1 and 5
  // about 3, twice each: 16, less 1 times 2, over 4 - 8 / 4 = 2 samples a run: 7.
  auto a = observation("memory_copy", {{"bytes", 8}}, 1), b = a;
  a.samples_s = {std::exp(0.0), std::exp(2.0)};
  b.samples_s = {std::exp(4.0), std::exp(6.0)};
  b.run_id = "other";
  const auto found = compare_runs({{a.point, {&a, &b}}}).variance;
  EXPECT_NEAR(found.within_run, std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(found.between_runs, std::sqrt(7.0), 1e-12);
}

/// Slows a share of the repeats, as of some public tables; of each point at most `most` runs.
std::vector<Observation> with_spikes(std::vector<Observation> all, double share, double times,
                                     int most) {
  std::mt19937 engine{5};
  std::uniform_real_distribution<double> uniform;
  std::map<Point, int> slow;
  for (auto& o : all)
    if (uniform(engine) < share && slow[o.point]++ < most)
      for (double& sample : o.samples_s) sample *= times;
  return all;
}

TEST(CompareRuns, GivesBackNearlyTheSameVariancesUnderSpikes) {
  for (const int runs : {3, 4, 8})
    for (const double share : {0.05, 0.1})
      for (const double times : {1.3, 3.0}) {
        const auto observations =
            with_spikes(repeats(400, runs, 5, 0.02, 0.01), share, times, (runs - 1) / 2);
        const auto found = compare_runs(repeats_of(observations));
        EXPECT_NEAR(found.variance.between_runs, 0.02, 0.2 * 0.02)
            << runs << " runs, " << share << " of the repeats x" << times;
        EXPECT_NEAR(found.variance.within_run, 0.01, 0.05 * 0.01);
        EXPECT_EQ(found.variance.runs, runs);
        EXPECT_GT(found.exceptions.size(), 0.8 * share * 400);
      }
}

TEST(CompareRuns, OfNormalRunsHasNoExceptions) {
  for (const int runs : {2, 3, 4, 8})
    EXPECT_TRUE(compare_runs(repeats_of(repeats(1000, runs, 5, 0.03, 0.02))).exceptions.empty());
}

/// Shifts each run of the repeats as a whole.
std::vector<Observation> shifted(std::vector<Observation> all, double third) {
  for (auto& o : all)
    if (o.run_id == "run-2")
      for (double& sample : o.samples_s) sample *= third;
  return all;
}

// A run apart from the others at every point is what the next may be too.
TEST(CompareRuns, AWholeRunApartIsNoException) {
  const auto found = compare_runs(repeats_of(shifted(repeats(40, 3, 5, 0.002, 0.002), 1.2)));
  EXPECT_TRUE(found.exceptions.empty());
  EXPECT_NEAR(found.variance.between_runs, std::log(1.2) / std::sqrt(3), 0.003);
  EXPECT_LT(found.variance.between_freedom, 2.1);
}

// Where a third of the points differ, that is how the machine is.
TEST(CompareRuns, ManySpikesAreTheRule) {
  const auto observations = with_spikes(repeats(400, 4, 5, 0.02, 0.01), 0.3, 1.5, 4);
  const auto found = compare_runs(repeats_of(observations));
  EXPECT_TRUE(found.exceptions.empty());
  EXPECT_GT(found.variance.between_runs, 0.1);
}

TEST(CompareRuns, NamesWhereRunsDifferAndByHowMuch) {
  auto observations = repeats(40, 3, 9, 0.003, 0.005);
  for (double& sample : observations[19].samples_s) sample *= 1.6;  // run 1 of the seventh point
  const auto found = compare_runs(repeats_of(observations));
  ASSERT_EQ(found.exceptions.size(), 1U);
  EXPECT_EQ(found.exceptions[0].place, (Point{{"bytes", 1024 + 6}}));
  EXPECT_NEAR(found.exceptions[0].times, 1.6, 0.03);
  EXPECT_LT(run_doubt(found.variance), 0.02);
  const auto report = fit(std::vector{synthetic::file(observations)}, {}).report;
  ASSERT_EQ(report.differing_runs.size(), 1U);
  EXPECT_EQ(report.differing_runs[0].places, 40);
  EXPECT_EQ(report.differing_runs[0].exceptions.size(), 1U);
}

TEST(CompareRuns, TellsTheRoutingsOfAPointApart) {
  const auto even = repeats(40, 3, 9, 0.003, 0.005);
  auto uneven = even;
  for (double& sample : uneven[19].samples_s) sample *= 1.6;
  Repeats gathered;
  for (const auto& o : even) gathered[{o.point, {"power_law", 0.5}}].push_back(&o);
  for (const auto& o : uneven) gathered[{o.point, {"power_law", 1.5}}].push_back(&o);
  const auto found = compare_runs(gathered);
  ASSERT_EQ(found.exceptions.size(), 1U);
  EXPECT_EQ(found.exceptions[0].place, (RepeatPlace{even[19].point, {"power_law", 1.5}}));
}

/// Variance of the points' runs, all taking part: of one sample each, what lies between runs.
VarianceComponents of_all(const std::vector<Observation>& observations) {
  std::map<Point, std::vector<double>> logs;
  for (const auto& o : observations) logs[o.point].push_back(std::log(o.seconds()));
  double squares = 0, freedom = 0;
  for (const auto& [point, of_point] : logs) {
    for (const double log : of_point) squares += std::pow(log - mean(of_point), 2);
    freedom += static_cast<double>(of_point.size()) - 1;
  }
  return {.between_runs = std::sqrt(squares / freedom)};
}

/// 21 sizes from 1 KiB, in runs of one sample each.
std::vector<Observation> doubling(int runs, const std::function<double(int)>& deviation,
                                  std::mt19937& engine) {
  std::normal_distribution<double> normal;
  std::vector<Observation> all;
  for (int i = 0; i < 21; ++i)
    for (int run = 0; run < runs; ++run) {
      const std::int64_t bytes = 1024LL << i;
      const double seconds = 1e-5 + static_cast<double>(bytes) / 2e10;
      all.push_back(observation("memory_copy", {{"bytes", bytes}},
                                seconds * std::exp(deviation(i) * normal(engine))));
      all.back().run_id = "run-" + std::to_string(run);
    }
  return all;
}

FitResult fitted(const std::vector<Observation>& all) {
  return fit(std::vector{synthetic::file(all)}, {.threads = 1});
}

double noisy_to_4_kib(int size) { return size < 3 ? 0.06 : 0.002; }

/// The share of a next run's repeats up to 4 KiB inside what runs before it leave in doubt: by the
/// fit, and with all repeats in it.
std::pair<double, double> covered_small_sizes(int runs, int machines) {
  std::mt19937 engine{17};
  std::normal_distribution<double> normal;
  double by_fit = 0, by_all = 0;
  for (int machine = 0; machine < machines; ++machine) {
    const auto all = doubling(runs, noisy_to_4_kib, engine);
    auto variance = fitted(all).coefficients.models.at(0).quality.variance;
    const double found = run_doubt(variance);
    variance.between_runs = of_all(all).between_runs;
    const double whole = run_doubt(variance);
    for (int i = 0; i < 3; ++i) {
      const double off = std::abs(0.06 * normal(engine)) * std::sqrt(1 + 1.0 / runs);
      by_fit += off < found ? 1 : 0;
      by_all += off < whole ? 1 : 0;
    }
  }
  return {by_fit / (3 * machines), by_all / (3 * machines)};
}

// Noise of small sizes is no spike of the quiet ones. Of three runs two agree by chance at some.
TEST(CompareRuns, NoisySizesStayInTheVariance) {
  for (const auto& [runs, less] : {std::pair{3, 0.07}, {4, 0.04}, {8, 0.03}}) {
    const auto [by_fit, by_all] = covered_small_sizes(runs, 200);
    EXPECT_GT(by_all, 0.4);
    EXPECT_GE(by_fit, by_all - less) << runs << " runs";
  }
}

// Where two runs lie apart, either may come again.
TEST(CompareRuns, OfTwoRunsNoneIsTheException) {
  std::mt19937 engine{2};
  auto all = doubling(
      2, [](int) { return 0.002; }, engine);
  for (double& sample : all[21].samples_s) sample *= 3;
  const auto found = fitted(all);
  EXPECT_TRUE(found.report.differing_runs.empty());
  const auto variance = found.coefficients.models.at(0).quality.variance;
  EXPECT_NEAR(variance.between_runs, of_all(all).between_runs, 1e-9);
  const auto p = predict(found.coefficients, {.operation = "memory_copy", .point = all[21].point})
                     .prediction.value();
  EXPECT_GE(std::log(p.hi / p.seconds), run_doubt(variance) - 1e-9);
}

TEST(CompareRuns, ASpikeOfOneOfThreeWidensNothing) {
  for (const int runs : {3, 4, 6}) {
    std::mt19937 engine{2};
    auto all = doubling(
        runs, [](int) { return 0.002; }, engine);
    const double before = run_doubt(fitted(all).coefficients.models.at(0).quality.variance);
    for (double& sample : all[static_cast<std::size_t>(10 * runs)].samples_s) sample *= 3;
    const auto found = fitted(all);
    EXPECT_NEAR(run_doubt(found.coefficients.models.at(0).quality.variance), before, 0.1 * before);
    ASSERT_EQ(found.report.differing_runs.size(), 1U);
    EXPECT_EQ(found.report.differing_runs[0].exceptions.size(), 1U);
  }
}

// Half of four runs are no exception to the other half.
TEST(CompareRuns, WithoutAMajorityAllTakePart) {
  std::mt19937 engine{2};
  auto all = doubling(
      4, [](int) { return 0.002; }, engine);
  for (const std::size_t i : {40U, 41U})
    for (double& sample : all[i].samples_s) sample *= 3;
  const auto found = fitted(all);
  EXPECT_TRUE(found.report.differing_runs.empty());
  EXPECT_NEAR(found.coefficients.models.at(0).quality.variance.between_runs,
              of_all(all).between_runs, 1e-9);
}

// A tenth is a spike among large sizes and nothing among small ones, that are judged by themselves.
TEST(CompareRuns, JudgesEachSizeRegimeByItself) {
  std::mt19937 engine{2};
  auto all = doubling(
      4, [](int size) { return size < 7 ? 0.05 : 0.002; }, engine);
  for (double& sample : all[4 * 16].samples_s) sample *= 1.1;
  const auto found = fitted(all).report.differing_runs;
  ASSERT_EQ(found.size(), 1U);
  ASSERT_EQ(found[0].exceptions.size(), 1U);
  EXPECT_EQ(found[0].exceptions[0].place, (Point{{"bytes", 1024LL << 16}}));
}

}  // namespace
}  // namespace moecal::calibration
