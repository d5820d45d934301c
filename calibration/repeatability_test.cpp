// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/repeatability.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "calibration/compare_runs.hpp"
#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic_repeats.hpp"

namespace moecal::calibration {
namespace {

using synthetic::observation;
using synthetic::repeats;
using synthetic::repeats_of;

Observation imported(Observation o, const std::string& file, int line) {
  o.run_id = "imported-" + file;
  o.source = {"imported", "nccl-tests", file, line, "0123456789abcdef"};
  return o;
}

TEST(DropDuplicates, CountsOnceWhatTwoSourcesClaimAndNamesThem) {
  auto all = repeats(5, 1, 1, 0.1, 0.1);
  for (int i = 0; i < 5; ++i) all.push_back(imported(all[i], "log.txt", i + 1));
  auto gathered = repeats_of(all);
  const auto found = drop_duplicates(gathered);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kept, "run run-0");
  EXPECT_EQ(found[0].dropped, "log.txt (nccl-tests, sha256 0123456789ab)");
  EXPECT_EQ(found[0].points, 5);
  for (const auto& [point, of_point] : gathered) {
    ASSERT_EQ(of_point.size(), 1u);
    EXPECT_EQ(of_point[0]->source.kind, "measured");
  }
}

// Figures of two runs in one log lie apart by what runs do.
TEST(VarianceComponentsOfLogs, RunsOfOneFileAreRunsApart) {
  auto all = repeats(5, 2, 1, 0.1, 0.1);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto run = all[i].run_id;
    all[i] = imported(all[i], "log.txt", static_cast<int>(i + 1));
    if (run != "run-0") all[i].run_id += "-run2";
  }
  EXPECT_EQ(compare_runs(repeats_of(all)).variance.runs, 2);
}

TEST(DropDuplicates, TwoRunsMayAgreeAtAPointByChance) {
  auto all = repeats(5, 2, 1, 0.1, 0.1);
  all[1].samples_s = all[0].samples_s;
  auto gathered = repeats_of(all);
  EXPECT_TRUE(drop_duplicates(gathered).empty());
  EXPECT_EQ(gathered.begin()->second.size(), 2u);
}

// Printed figures are rounded: of many repeats some are equal, and none is the other's duplicate.
TEST(DropDuplicates, OfManyRepeatsThatAreRoundedKeepsAll) {
  std::mt19937 engine{3};
  std::vector<Observation> all;
  for (int point = 0; point < 4; ++point)
    for (int line = 0; line < 2000; ++line)
      for (const std::string file : {"a.txt", "b.txt"}) {
        const double rounded = 1e-7 * (100 + static_cast<int>(engine() % 13));
        auto o = observation("memory_copy", {{"bytes", 1024 + point}}, rounded);
        all.push_back(imported(o, file, line + 2000 * point));
        all.back().run_id += "-run" + std::to_string(line % 100);
      }
  auto gathered = repeats_of(all);
  EXPECT_TRUE(drop_duplicates(gathered).empty());
  for (const auto& [point, of_point] : gathered) EXPECT_EQ(of_point.size(), 4000U);
}

TEST(Disagreement, IsOfReadingsInsideOneRun) {
  auto alike = repeats(9, 2, 1, 0.3, 0);
  EXPECT_EQ(disagreement_in_runs(repeats_of(alike)), 0) << "runs may lie apart";
  for (auto& o : alike) o.run_id = "run-0";
  EXPECT_GT(disagreement_in_runs(repeats_of(alike)), 0.05);
}

TEST(Disagreement, IsReported) {
  std::vector<Observation> all;
  for (const double times : {1.0, 1.4})
    for (auto o : synthetic::curve("all_reduce", 4, 12, [](double b) { return 1e-5 + b / 2e10; },
                                   {.spread = 0.01})) {
      o.samples_s[0] *= times;
      o.repetition = times > 1 ? 1 : 0;
      all.push_back(o);
    }
  const auto result = fit(std::vector{synthetic::file(all)}, {});
  ASSERT_EQ(result.report.disagreements.size(), 1U);
  EXPECT_NEAR(result.report.disagreements[0].spread, std::log(1.4) / std::sqrt(2), 0.01);
}

TEST(DropDuplicates, AFileGivenTwiceIsCountedOnce) {
  auto all = repeats(3, 2, 2, 0.1, 0.1);
  const auto twice = all;
  all.insert(all.end(), twice.begin(), twice.end());
  auto gathered = repeats_of(all);
  const auto found = drop_duplicates(gathered);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].kept, found[0].dropped);
  EXPECT_EQ(found[0].points, 3);
  for (const auto& [point, of_point] : gathered) EXPECT_EQ(of_point.size(), 2u);
  const std::vector<ObservationFile> files{synthetic::file(all)};
  EXPECT_EQ(group_observations(files, "").counts.given_twice, 6);
}

double line(double bytes) { return 5e-6 + bytes / 20e9; }

/// The figures of one log, once as of release 2.29 and once without a release.
TEST(ConflictingClaims, AreFiguresOfTwoReleases) {
  std::vector<Observation> all;
  for (const std::string release : {"2.29", "unknown"})
    for (int point = 0; auto o : synthetic::curve("all_reduce", 4, 6, line, {.spread = 0.1})) {
      o = imported(o, "log-" + release + ".txt", ++point);
      o.library.runtime_version = release;
      all.push_back(o);
    }
  const std::vector<ObservationFile> files{synthetic::file(all)};
  const auto conflicts = group_observations(files, "").conflicts;
  ASSERT_EQ(conflicts.size(), 1u);
  EXPECT_THAT(conflicts[0].first, testing::HasSubstr("/2.29/"));
  EXPECT_THAT(conflicts[0].second, testing::HasSubstr("/unknown/"));
  EXPECT_EQ(conflicts[0].figures.points, 6);
}

TEST(ConflictingClaims, OneFileUnderTwoNamesConflictsToo) {
  std::vector<Observation> all;
  for (const std::string release : {"2.29", "2.30"})
    for (int point = 0; auto o : synthetic::curve("all_reduce", 4, 2, line, {})) {
      o = imported(o, "log.txt", ++point);
      o.library.runtime_version = release;
      all.push_back(o);
    }
  const std::vector<ObservationFile> files{synthetic::file(all)};
  const auto conflicts = group_observations(files, "").conflicts;
  ASSERT_EQ(conflicts.size(), 1u);
  EXPECT_EQ(conflicts[0].figures.kept, conflicts[0].figures.dropped);
}

TEST(ConflictingClaims, ReleasesThatDifferDoNot) {
  std::vector<Observation> all;
  for (const unsigned seed : {1u, 2u})
    for (int point = 0;
         auto o : synthetic::curve("all_reduce", 4, 6, line, {.spread = 0.1, .seed = seed})) {
      o = imported(o, "log" + std::to_string(seed) + ".txt", ++point);
      o.library.runtime_version = std::to_string(seed);
      all.push_back(o);
    }
  EXPECT_TRUE(group_observations(std::vector{synthetic::file(all)}, "").conflicts.empty());
}

TEST(ReleaseDrift, IsReportedAndNotAveraged) {
  std::vector<Observation> all;
  for (const auto& [release, factor] :
       {std::pair<std::string, double>{"2.9", 1}, {"2.29", 1.25}, {"2.30", 1}})
    for (auto o : synthetic::curve("all_reduce", 4, 12, line, {})) {
      o.library.runtime_version = release;
      o.samples_s[0] *= factor;
      all.push_back(o);
    }
  const std::vector<ObservationFile> files{synthetic::file(all)};
  const auto result = fit(files, {});
  EXPECT_EQ(result.report.series, 3);
  ASSERT_EQ(result.coefficients.drift.size(),
            4u);  // two steps, of all_reduce and of all operations
  const auto& first = result.coefficients.drift[3];
  EXPECT_EQ(first.operation, "all_reduce");
  EXPECT_EQ(first.from, "2.9");
  EXPECT_EQ(first.to, "2.29");
  EXPECT_NEAR(first.median, 1.25, 1e-12);
  EXPECT_NEAR(result.coefficients.drift[2].p95, 0.8, 1e-12);
  EXPECT_EQ(first.points, 12);
}

// Most logs name no release: they are neither older nor newer than those that do.
TEST(ReleaseDrift, LeavesOutWhatNamesNoRelease) {
  std::vector<Observation> all;
  for (const auto& [release, factor] :
       {std::pair<std::string, double>{"2.29.2", 1}, {"unknown", 2}, {"", 3}})
    for (auto o : synthetic::curve("all_reduce", 4, 12, line, {})) {
      o.library.runtime_version = release;
      o.samples_s[0] *= factor;
      all.push_back(o);
    }
  const auto result = fit(std::vector{synthetic::file(all)}, {});
  EXPECT_TRUE(result.coefficients.drift.empty());
  EXPECT_THAT(result.report.without_release,
              testing::ElementsAre("all_reduce/cpu-test/f32/group_4/own/unknown/warm",
                                   "all_reduce/cpu-test/f32/group_4/own/warm"));
  const auto answer = predict(
      result.coefficients, {.operation = "all_reduce", .point = {{"bytes", 1 << 20}}, .group = 4});
  EXPECT_NEAR(answer.prediction.value().seconds, line(1 << 20), 0.02 * line(1 << 20));
  EXPECT_THAT(answer.prediction->flags,
              testing::Contains("release 2.29.2 of own answers, the newest of 3; the one before: "
                                "not said which, taken to be older"));
}

// The bytes of a layer do not tell how many experts a token chose, nor how evenly.
TEST(ReleaseDrift, PairsTheSameCallsOfALayer) {
  std::vector<Observation> all;
  for (const auto& [release, factor] : {std::pair<std::string, double>{"1.0", 1}, {"1.1", 0.5}})
    for (const std::int64_t top_k : {8, 4, 2})
      for (const auto* distribution : {"balanced", "uniform"})
        for (std::int64_t tokens = 4096; tokens <= 65536; tokens *= 4) {
          const double skew = std::string{distribution} == "balanced" ? 1 : 3;
          auto o =
              synthetic::observation("moe_layer",
                                     {{"tokens", tokens},
                                      {"experts", 8},
                                      {"top_k", top_k},
                                      {"hidden", 512},
                                      {"inter", 512},
                                      {"tensor_parallel", 1},
                                      {"expert_parallel", 1}},
                                     factor * skew * 1e-8 * static_cast<double>(tokens * top_k));
          o.routed = true;
          o.routing.distribution = distribution;
          o.library.runtime_version = release;
          all.push_back(std::move(o));
        }
  const auto drift = fit(std::vector{synthetic::file(all)}, {}).coefficients.drift;
  ASSERT_EQ(drift.size(), 2u);
  EXPECT_EQ(drift[0].points, 18);
  EXPECT_NEAR(drift[0].p5, 0.5, 1e-12);
  EXPECT_NEAR(drift[0].p95, 0.5, 1e-12);
}

TEST(Fit, GivesTheSameBytesOnAnyNumberOfThreadsAndInAnyOrderOfFiles) {
  const auto one = synthetic::curve("all_reduce", 4, 15, line, {.spread = 0.05});
  auto other = synthetic::curve("all_reduce", 4, 15, line, {.spread = 0.05, .seed = 2});
  for (auto& o : other) o.run_id = "other";
  const auto more = repeats(40, 2, 2, 0.1, 0.1);
  const std::vector<ObservationFile> files{synthetic::file(one), synthetic::file(other),
                                           synthetic::file(more)};
  const std::vector<ObservationFile> reversed{files[2], files[1], files[0]};
  const auto expected = to_json(fit(files, {.threads = 1}).coefficients);
  EXPECT_EQ(to_json(fit(files, {.threads = 2}).coefficients), expected);
  EXPECT_EQ(to_json(fit(files, {.threads = 7}).coefficients), expected);
  EXPECT_EQ(to_json(fit(reversed, {.threads = 2}).coefficients), expected);
  EXPECT_THAT(expected, testing::HasSubstr("\"between_runs\""));
  EXPECT_EQ(to_json(parse_coefficients(expected, "c.json")), expected);
}

}  // namespace
}  // namespace moecal::calibration
