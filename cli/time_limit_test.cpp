// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/time_limit.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "cli/measure_launch.hpp"

namespace moecal::cli {
namespace {

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
  const TimeLimit limit{programs, suite("quick")};
  // The first warms the clocks for 3 s, the others for 0.25, and each takes 0.5 to start.
  EXPECT_DOUBLE_EQ(limit.of(0, 0).value(), 3.5 + (20 - 5) * 10 / 50.0);
  EXPECT_DOUBLE_EQ(limit.of(1, 5).value(), 0.75 + (15 - 1.5) * 30 / 40.0);
  EXPECT_DOUBLE_EQ(limit.of(2, 12).value(), 8);
  EXPECT_DOUBLE_EQ(limit.of(2, 30).value(), 0);
  EXPECT_DOUBLE_EQ((TimeLimit{programs, suite("planner")}.of(2, 20).value()), 100);
  EXPECT_FALSE((TimeLimit{programs, suite("mine.jsonl")}.of(0, 0)));
}

TEST(TimeLimit, IsSharedByWhatPointsTake) {
  std::vector<BenchProgram> programs{program("cuda", 10, 1), program("cuda", 10, 1)};
  programs[1].implementations[0].seconds["quick"] = 30;
  EXPECT_DOUBLE_EQ((TimeLimit{programs, suite("quick")}.of(0, 0).value()),
                   3.5 + (20 - 4.25) * 0.25);
}

// What warms the clocks for all the others has few points itself.
TEST(TimeLimit, LeavesASmallFirstProgramTimeForItsPoints) {
  const std::vector<BenchProgram> programs{program("cuda", 0.4, 1), program("cuda", 8.5, 1)};
  EXPECT_GT((TimeLimit{programs, suite("quick")}.of(0, 0).value()), kFirstClockWarmUp + 1);
}

TEST(TimeLimit, IsNotForManyRanksOrACpuUnlessAskedFor) {
  const std::vector<BenchProgram> programs{program("cuda", 10, 8), program("nccl", 0, 8)};
  auto options = suite("quick");
  EXPECT_DOUBLE_EQ((TimeLimit{programs, options}.of(0, 0).value()), 20);
  EXPECT_FALSE((TimeLimit{programs, options}.of(1, 5)));
  options.time_limit = 33;
  EXPECT_DOUBLE_EQ((TimeLimit{programs, options}.of(0, 0).value()), 3.5 + (33 - 4.25) * 10 / 10.05);
  EXPECT_DOUBLE_EQ((TimeLimit{programs, options}.of(1, 20).value()), 13);
  options.time_limit = std::numeric_limits<double>::infinity();
  EXPECT_FALSE((TimeLimit{programs, options}.of(0, 0)));
  EXPECT_FALSE((TimeLimit{{program("cpu", 10, 0)}, suite("quick")}.of(0, 0)));
  options.time_limit.reset();
  options.energy = true;
  EXPECT_FALSE((TimeLimit{programs, options}.of(0, 0))) << "a second a point";
}

}  // namespace
}  // namespace moecal::cli
