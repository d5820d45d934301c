// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/time_limit.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "cli/measure_launch.hpp"

namespace moecal::cli {
namespace {

constexpr double kStart = 0.5;

BenchProgram program(const std::string& backend, double seconds, int cuda_devices) {
  return {"",
          "",
          {},
          {{backend, false, {{"quick", seconds}, {"planner", 10 * seconds}}}},
          cuda_devices};
}

MeasureOptions suite(const std::string& name) {
  MeasureOptions options;
  options.suite = name;
  return options;
}

TEST(TimeLimit, IsSharedByPointsAndWhatIsLeftGoesToTheOthers) {
  const std::vector<BenchProgram> programs{program("cuda", 10, 1), program("cuda", 30, 1),
                                           program("cuda", 10, 1)};
  const TimeLimit limit{programs, suite("quick"), kStart};
  // The first warms the clocks for 1.25 s, the others for 0.25.
  EXPECT_DOUBLE_EQ(limit.of(0, 0).value(), 1.75 + (20 - 3.25) * 10 / 50.0);
  EXPECT_DOUBLE_EQ(limit.of(1, 5).value(), 0.75 + (15 - 1.5) * 30 / 40.0);
  EXPECT_DOUBLE_EQ(limit.of(2, 12).value(), 8);
  EXPECT_DOUBLE_EQ(limit.of(2, 30).value(), 0);
  EXPECT_DOUBLE_EQ((TimeLimit{programs, suite("planner"), kStart}.of(2, 20).value()), 100);
  EXPECT_FALSE((TimeLimit{programs, suite("mine.jsonl"), kStart}.of(0, 0)));
}

TEST(TimeLimit, IsSharedByWhatPointsTake) {
  std::vector<BenchProgram> programs{program("cuda", 10, 1), program("cuda", 10, 1)};
  programs[1].implementations[0].seconds["quick"] = 30;
  EXPECT_DOUBLE_EQ((TimeLimit{programs, suite("quick"), kStart}.of(0, 0).value()),
                   1.75 + (20 - 2.5) * 0.25);
}

TEST(TimeLimit, LearnsWhatProgramsTakeToStart) {
  const std::vector<BenchProgram> programs{program("cuda", 10, 1), program("cuda", 10, 1)};
  TimeLimit limit{programs, suite("quick"), kStart};
  EXPECT_DOUBLE_EQ(limit.to_start(0), 1.75);
  limit.learn_start(2);
  EXPECT_DOUBLE_EQ(limit.to_start(1), 2.25) << "of the guess nothing is left";
  limit.learn_start(1);
  EXPECT_DOUBLE_EQ(limit.to_start(1), 1.75);
}

// Ten slow starts would take all of the time.
TEST(TimeLimit, IsSharedByNoMoreProgramsThanHaveTimeForPoints) {
  const std::vector<BenchProgram> programs(10, program("cuda", 1, 1));
  const TimeLimit limit{programs, suite("quick"), 2};
  // Six start in 14.5 s, which leaves 5.5 for their points; seven would have 3.25 for 7 s.
  EXPECT_DOUBLE_EQ(limit.of(0, 0).value(), 3.25 + 5.5 / 6);
  EXPECT_DOUBLE_EQ(limit.of(9, 18).value(), 2) << "less than a start takes";
  EXPECT_LT(limit.of(9, 18).value(), limit.to_start(9));
}

// What warms the clocks for all the others has few points itself.
TEST(TimeLimit, LeavesASmallFirstProgramTimeForItsPoints) {
  const std::vector<BenchProgram> programs{program("cuda", 0.4, 1), program("cuda", 8.5, 1)};
  const auto options = suite("quick");
  EXPECT_GT((TimeLimit{programs, options, kStart}.of(0, 0).value()),
            first_clock_warm_up(options) + 1);
}

TEST(TimeLimit, IsNotForManyRanksOrACpuUnlessAskedFor) {
  const std::vector<BenchProgram> programs{program("cuda", 10, 8), program("nccl", 0, 8)};
  auto options = suite("quick");
  EXPECT_DOUBLE_EQ((TimeLimit{programs, options, kStart}.of(0, 0).value()), 20);
  EXPECT_FALSE((TimeLimit{programs, options, kStart}.of(1, 5)));
  options.time_limit = 33;
  EXPECT_DOUBLE_EQ((TimeLimit{programs, options, kStart}.of(0, 0).value()),
                   1.75 + (33 - 2.5) * 10 / 10.05);
  EXPECT_DOUBLE_EQ((TimeLimit{programs, options, kStart}.of(1, 20).value()), 13);
  options.time_limit = std::numeric_limits<double>::infinity();
  EXPECT_FALSE((TimeLimit{programs, options, kStart}.of(0, 0)));
  EXPECT_FALSE((TimeLimit{{program("cpu", 10, 0)}, suite("quick"), kStart}.of(0, 0)));
  options.time_limit.reset();
  options.energy = true;
  EXPECT_FALSE((TimeLimit{programs, options, kStart}.of(0, 0))) << "a second a point";
}

}  // namespace
}  // namespace moecal::cli
