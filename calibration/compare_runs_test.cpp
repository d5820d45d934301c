// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/compare_runs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/run_doubt.hpp"
#include "calibration/synthetic_repeats.hpp"

namespace moecal::calibration {
namespace {

using synthetic::observation;
using synthetic::readings_of;
using synthetic::repeats;

TEST(CompareRuns, GivesBackTheVariancesThatMadeTheRepeats) {
  for (const auto& [between, within] : {std::pair{0.05, 0.02}, {0.05, 0.1}, {0.08, 0.08}}) {
    const auto observations = repeats(400, 4, 5, between, within);
    const auto found = compare_runs(readings_of(observations)).variance;
    EXPECT_EQ(found.runs, 4);
    EXPECT_NEAR(found.within_run, within, 0.05 * within);
    EXPECT_NEAR(found.between_runs, between, 0.1 * between + 0.1 * within / 5);
    EXPECT_EQ(found.samples_in_runs, 400 * (4 + 5 + 4 + 5));
  }
}

TEST(CompareRuns, RunsThatDifferNoMoreThanTheirSamplesHaveNoVarianceOfTheirOwn) {
  const auto observations = repeats(400, 3, 8, 0, 0.1);
  EXPECT_LT(compare_runs(readings_of(observations)).variance.between_runs, 0.01);
}

TEST(CompareRuns, SaysWhatIsUnknown) {
  const auto one_run = repeats(50, 1, 5, 0.05, 0.02);
  const auto of_one = compare_runs(readings_of(one_run)).variance;
  EXPECT_EQ(of_one.runs, 1);
  EXPECT_EQ(of_one.between_runs, 0);
  EXPECT_NEAR(of_one.within_run, 0.02, 0.003);
  auto one_sample = repeats(400, 4, 1, 0.03, 0.04);
  for (auto& o : one_sample) o.samples_s.resize(1);
  const auto together = compare_runs(readings_of(one_sample)).variance;
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

/// Of readings, as of some public tables; by so much they are slow.
std::vector<Observation> with_spikes(std::vector<Observation> all, double share, double times) {
  std::mt19937 engine{5};
  std::uniform_real_distribution<double> uniform;
  for (auto& o : all)
    if (uniform(engine) < share)
      for (double& sample : o.samples_s) sample *= times;
  return all;
}

TEST(CompareRuns, GivesBackNearlyTheSameVariancesUnderSpikes) {
  for (const int runs : {2, 3, 4, 8})
    for (const double share : {0.05, 0.1})
      for (const double times : {1.3, 3.0}) {
        const auto observations = with_spikes(repeats(400, runs, 5, 0.02, 0.01), share, times);
        const auto found = compare_runs(readings_of(observations));
        EXPECT_NEAR(found.variance.between_runs, 0.02, 0.2 * 0.02)
            << runs << " runs, " << share << " of the readings x" << times;
        EXPECT_NEAR(found.variance.within_run, 0.01, 0.05 * 0.01);
        EXPECT_EQ(found.variance.runs, runs);
        EXPECT_GT(found.exceptions.size(), 0.8 * share * 400);
      }
}

TEST(CompareRuns, OfNormalRunsHasNoExceptions) {
  for (const int runs : {2, 3, 4, 8})
    EXPECT_TRUE(compare_runs(readings_of(repeats(1000, runs, 5, 0.03, 0.02))).exceptions.empty());
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
  const auto found = compare_runs(readings_of(shifted(repeats(40, 3, 5, 0.002, 0.002), 1.2)));
  EXPECT_TRUE(found.exceptions.empty());
  EXPECT_NEAR(found.variance.between_runs, std::log(1.2) / std::sqrt(3), 0.003);
  EXPECT_LT(found.variance.between_freedom, 2.1);
}

// Where a third of the points differ, that is how the machine is.
TEST(CompareRuns, ManySpikesAreTheRule) {
  const auto observations = with_spikes(repeats(400, 4, 5, 0.02, 0.01), 0.3, 1.5);
  const auto found = compare_runs(readings_of(observations));
  EXPECT_TRUE(found.exceptions.empty());
  EXPECT_GT(found.variance.between_runs, 0.1);
}

TEST(CompareRuns, NamesWhereRunsDifferAndByHowMuch) {
  auto observations = repeats(40, 2, 9, 0.003, 0.005);
  for (double& sample : observations[13].samples_s) sample *= 1.6;  // run 1 of the seventh point
  const auto found = compare_runs(readings_of(observations));
  ASSERT_EQ(found.exceptions.size(), 1U);
  EXPECT_EQ(found.exceptions[0].point, (Point{{"bytes", 1024 + 6}}));
  EXPECT_NEAR(found.exceptions[0].times, 1.6, 0.03);
  EXPECT_LT(run_doubt(found.variance), 0.02);
  const auto report = fit(std::vector{synthetic::file(observations)}, {}).report;
  ASSERT_EQ(report.differing_runs.size(), 1U);
  EXPECT_EQ(report.differing_runs[0].points, 40);
  EXPECT_EQ(report.differing_runs[0].exceptions.size(), 1U);
}

}  // namespace
}  // namespace moecal::calibration
