// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/ended_points.hpp"

#include <gtest/gtest.h>

namespace moecal {
namespace {

Observation failed(const std::string& reason) {
  Observation observation;
  observation.outcome = Outcome::failed;
  observation.reason = reason;
  return observation;
}

TEST(EndedPoints, GiveUpAtOnceWhatEndedALaunchByItsOwnDoing) {
  EndedPoints points;
  const auto crashed = failed(ended_reason("signal 11"));
  EXPECT_FALSE(points.given_up(crashed.key()));
  points.count(crashed);
  EXPECT_TRUE(points.given_up(crashed.key()));
}

TEST(EndedPoints, TryOnceMoreWhatMayHaveBeenKilledFromOutside) {
  EndedPoints points;
  const auto killed = failed(ended_reason());
  points.count(killed);
  EXPECT_FALSE(points.given_up(killed.key()));
  points.count(killed);
  EXPECT_TRUE(points.given_up(killed.key()));
}

TEST(EndedPoints, AreNotThoseThatFailOrAreSkipped) {
  EndedPoints points;
  auto skipped = failed(ended_reason("signal 11"));
  skipped.outcome = Outcome::skipped;
  for (int launch = 0; launch < 3; ++launch) {
    points.count(failed("verification failed"));
    points.count(skipped);
  }
  EXPECT_FALSE(points.given_up(skipped.key()));
}

}  // namespace
}  // namespace moecal
