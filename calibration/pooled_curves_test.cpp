// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/pooled_curves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

/// Six curves of one machine that all change protocol at 64 KiB.
double truth(const std::string& operation, int group, double bytes) {
  const double latency = (operation == "all_reduce" ? 12e-6 : 8e-6) + 2e-6 * group;
  const double rate = (operation == "all_reduce" ? 60e9 : 80e9) * (bytes < 65536 ? 0.2 : 1);
  return latency + bytes / rate;
}

constexpr int kSizes = 20;
const std::vector<std::string> kOperations{"all_reduce", "all_to_all"};
const std::vector<int> kGroups{2, 4, 8};

/// Each curve at every `step`-th size; the curves start at different ones.
std::vector<Observation> every(int step) {
  std::vector<Observation> seen;
  int offset = 0;
  for (const auto& operation : kOperations)
    for (const int group : kGroups) {
      const auto whole = synthetic::curve(
          operation, group, kSizes, [&](double bytes) { return truth(operation, group, bytes); },
          {.spread = 0.01});
      for (int i = offset++ % step; i < kSizes; i += step)
        seen.push_back(whole[static_cast<std::size_t>(i)]);
    }
  return seen;
}

Coefficients fitted(std::vector<Observation> observations) {
  const std::vector<ObservationFile> files{synthetic::file(std::move(observations))};
  return fit(files, {}).coefficients;
}

Prediction predicted(const Coefficients& coefficients, const std::string& operation, int group,
                     std::int64_t bytes) {
  Query query{.operation = operation, .point = {{"bytes", bytes}}};
  query.group = group;
  const auto answer = predict(coefficients, query);
  EXPECT_TRUE(answer.prediction) << answer.missing;
  return answer.prediction.value_or(Prediction{});
}

TEST(PooledCurves, PredictSizesThatOnlyOtherCurvesHave) {
  const auto coefficients = fitted(every(5));
  int covered = 0, points = 0;
  for (const auto& operation : kOperations)
    for (const int group : kGroups)
      for (int i = 2; i < kSizes - 2; ++i) {
        const std::int64_t bytes = std::int64_t{512} << i;
        const auto p = predicted(coefficients, operation, group, bytes);
        const double t = truth(operation, group, static_cast<double>(bytes));
        EXPECT_THAT(p.model_id, testing::HasSubstr("pooled_curve"));
        EXPECT_NEAR(p.seconds / t, 1, 0.25) << operation << " " << group << " " << bytes;
        covered += t >= p.lo && t <= p.hi ? 1 : 0;
        ++points;
      }
  EXPECT_GE(covered, 0.85 * points);
}

TEST(PooledCurves, AreLessSureFarFromWhatIsMeasured) {
  std::vector<Observation> seen;
  for (auto& o : every(1))
    if (const auto bytes = o.point.at("bytes");
        bytes <= 2048 || bytes >= (64 << 20) || (bytes > 16384 && bytes <= 65536))
      seen.push_back(std::move(o));
  const auto coefficients = fitted(std::move(seen));
  const auto width = [&](std::int64_t bytes) {
    const auto p = predicted(coefficients, "all_reduce", 4, bytes);
    return p.hi / p.lo;
  };
  EXPECT_GT(width(std::int64_t{2} << 20), 1.2 * width(128 << 10));
}

TEST(PooledCurves, LeaveDenseCurvesAlone) {
  for (const auto& model : fitted(every(1)).models) EXPECT_NE(model.form, "pooled_curve");
}

TEST(PooledCurves, ServeACurveOfOnePoint) {
  auto seen = every(5);
  auto lone = synthetic::curve("all_gather", 4, 10, [](double b) { return 1e-5 + b / 7e10; }, {});
  seen.push_back(lone[8]);
  const auto p = predicted(fitted(std::move(seen)), "all_gather", 4, 512 << 12);
  EXPECT_THAT(p.model_id, testing::HasSubstr("pooled_curve"));
  EXPECT_NEAR(p.seconds, 1e-5 + (512 << 12) / 7e10, 0.4 * p.seconds);
}

TEST(PooledCurves, SameBytesTwice) {
  EXPECT_EQ(to_json(fitted(every(5))), to_json(fitted(every(5))));
}

}  // namespace
}  // namespace moecal::calibration
