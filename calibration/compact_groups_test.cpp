// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

// A file without tables predicts a group from curves that smooth over what was measured: its
// interval has to hold that too.
namespace moecal::calibration {
namespace {

/// A line in ranks and bytes that waves over sizes as no compact form does, alike in all groups.
double seconds(int group, double bytes) {
  return (5e-6 + 2e-6 * group + bytes / 50e9) * (1 + 0.1 * std::sin(2.2 * std::log2(bytes)));
}

Coefficients fit_of(bool compact) {
  std::vector<Observation> all;
  for (const int group : {2, 4, 8, 16})
    for (auto& o : synthetic::curve("all_reduce", group, 18,
                                    [&](double bytes) { return seconds(group, bytes); },
                                    {.spread = 0.01, .seed = static_cast<unsigned>(group)}))
      all.push_back(std::move(o));
  return fit(std::vector{synthetic::file(all)}, {.compact = compact}).coefficients;
}

/// Of groups never measured, at the sizes that were.
double coverage(bool compact) {
  const auto coefficients = fit_of(compact);
  int covered = 0, points = 0;
  for (const int group : {3, 5, 6, 7, 10, 12, 14})
    for (std::int64_t bytes = 512; bytes <= 512 << 17; bytes *= 2) {
      const Query query{.operation = "all_reduce", .point = {{"bytes", bytes}}, .group = group};
      const auto p = predict(coefficients, query).prediction.value();
      const double truth = seconds(group, static_cast<double>(bytes));
      covered += p.lo <= truth && truth <= p.hi ? 1 : 0;
      ++points;
    }
  return static_cast<double>(covered) / points;
}

TEST(CompactGroups, AreCoveredAsThoseOfTables) {
  EXPECT_GE(coverage(false), 0.83);
  EXPECT_GE(coverage(true), 0.83);
}

TEST(CompactGroups, AreKnownNoBetterThanThoseTheyArePredictedFrom) {
  for (const bool compact : {false, true}) {
    const auto coefficients = fit_of(compact);
    const auto half_width = [&](int group, std::int64_t bytes) {
      const Query query{.operation = "all_reduce", .point = {{"bytes", bytes}}, .group = group};
      const auto p = predict(coefficients, query).prediction.value();
      return std::log(p.hi / p.seconds);
    };
    for (std::int64_t bytes = 1500; bytes <= 512 << 17; bytes *= 2)
      EXPECT_GE(half_width(6, bytes) + 1e-12, std::min(half_width(4, bytes), half_width(8, bytes)))
          << bytes;
  }
}

}  // namespace
}  // namespace moecal::calibration
