// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// `moecal measure` where programs crash, hang, or are not started.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <regex>
#include <thread>

#include "cli/testing/measure_process.hpp"
#include "core/observation.hpp"
#include "core/point_note.hpp"

namespace moecal::cli {
namespace {

using testing::HasSubstr;

// Forty points, of which these go wrong as bench/testing/synthetic_main.cpp has it.
class MeasureEnding : public Measure {
 protected:
  static constexpr int kResult = 1, kCrash = 3, kKilled = 4, kDeviceLost = 5, kHangs = 6,
                       kExits = 7;

  [[nodiscard]] std::string suite_with(const std::map<int, int>& wrong) const {
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      const auto found = wrong.find(i);
      lines += R"({"operation": "spin", "point": {"index": )" + std::to_string(i) +
               R"(, "wrong": )" + std::to_string(found == wrong.end() ? 0 : found->second) + "}}\n";
    }
    return recording() + " --seconds-per-point 0.001 --suite " +
           folder_.write("suite.jsonl", lines);
  }
  // By index: the reasons of the points' failures.
  [[nodiscard]] std::multimap<std::int64_t, std::string> failures() const {
    std::multimap<std::int64_t, std::string> reasons;
    for (const auto& o : read_observations(out_).observations)
      if (o.outcome == Outcome::failed) reasons.emplace(o.point.at("index"), o.reason);
    return reasons;
  }
  // One of the folder programs/.
  void write_program(const std::string& name, const std::string& text) const {
    const auto path = folder_.write("programs/" + name, "#!/bin/sh\n" + text);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  [[nodiscard]] std::string of_folder() const {
    return "--run-id test --seconds-per-point 0.001 --out " + out_ + " --programs-dir " +
           folder_.path("programs");
  }
  void expect_nothing_left_behind() const {
    for (const char* name : {".measuring", ".planned"})
      EXPECT_FALSE(std::filesystem::exists(out_ + name)) << name;
  }
};

TEST_F(MeasureEnding, MeasuresEveryPointButThoseThatEndTheProgram) {
  const auto command = suite_with({{3, kCrash}, {11, kDeviceLost}, {20, kResult}, {30, kExits}});
  EXPECT_EQ(run(command), 1);
  EXPECT_EQ(normalised(), golden("measure_ended.txt"));
  const std::string ended = "the launch ended while this point was measured: ";
  EXPECT_EQ(failures(), (std::multimap<std::int64_t, std::string>{
                            {3, ended + "signal 11 (Segmentation fault)"},
                            {11, ended + "a kernel that faults"},
                            {20, "verification failed: relative error 1 is over 0.5 (full)"},
                            {30, ended + "exit status 9"}}));
  EXPECT_EQ(read_observations(out_).observations.size(), 40U);
  expect_nothing_left_behind();
  EXPECT_EQ(run(command), 1) << "only the wrong result is tried again";
  EXPECT_EQ(read_observations(out_).observations.size(), 41U);
  EXPECT_THAT(printed(), testing::Not(HasSubstr("started again")));
}

// A failure that there was no time to try again is still one.
TEST_F(MeasureEnding, SaysOfAPointWhatItFailedWithThoughItWasNotBegunAgain) {
  const auto command = suite_with({{20, kResult}});
  EXPECT_EQ(run(command), 1);
  write_program("bench_late",
                "case $1 in --list) exec " MOECAL_TESTING_PROGRAMS
                "/bench_synthetic \"$@\" ;; esac\n"
                "exec " MOECAL_TESTING_PROGRAMS "/bench_synthetic \"$@\" --time-limit 0\n");
  EXPECT_EQ(run(std::regex_replace(command, std::regex{MOECAL_TESTING_PROGRAMS},
                                   folder_.path("programs"))),
            1);
  EXPECT_EQ(read_observations(out_).observations.size(), 41U);
  EXPECT_THAT(printed(), testing::ContainsRegex("spin \\(spin\\) +38 +1 +1"));
  EXPECT_THAT(printed(), HasSubstr("failed spin (spin) x1: verification failed"));
}

// What kills by SIGKILL may come from outside, so the point is tried twice.
TEST_F(MeasureEnding, TriesOnceMoreWhatWasKilledFromOutside) {
  const auto command = suite_with({{20, kKilled}});
  EXPECT_EQ(run(command), 1);
  const std::string reason = "the launch ended while this point was measured";
  EXPECT_EQ(failures(), (std::multimap<std::int64_t, std::string>{{20, reason}, {20, reason}}));
  EXPECT_THAT(printed(), HasSubstr("was ended by signal 9 (Killed) inside a point: it is started"));
  EXPECT_THAT(printed(), testing::ContainsRegex("spin \\(spin\\) +38 +1 +1"));
  EXPECT_THAT(printed(), testing::Not(HasSubstr("to go on")));
}

TEST_F(MeasureEnding, StopsWhereNoPointCanBeFinishedAndCountsWhatIsMissing) {
  std::map<int, int> all;
  for (int i = 0; i < 40; ++i)
    if (i != 7) all[i] = kDeviceLost;
  EXPECT_EQ(run(suite_with(all)), 1);
  EXPECT_THAT(printed(), HasSubstr("lost the device inside one point after the other: it is not "
                                   "started again\n"));
  const auto recorded = read_observations(out_).observations.size();
  EXPECT_GE(recorded, 5U);
  EXPECT_LT(recorded, 40U);
  EXPECT_THAT(printed(), HasSubstr("\n" + std::to_string(40 - recorded) +
                                   " points of bench_synthetic are recorded nowhere"));
  EXPECT_THAT(printed(), HasSubstr("to go on: " MOECAL_PROGRAM " measure"));
}

TEST_F(MeasureEnding, EndsAProgramThatHangsPastItsTimeLimit) {
  const auto command = suite_with({{20, kHangs}}) + " --silence 2 --time-limit ";
  EXPECT_EQ(run(command + "1"), 1);
  EXPECT_THAT(printed(), HasSubstr("bench_synthetic gave no sign of life for 2 s past its time "
                                   "limit, and was ended inside a point: it is started again"));
  EXPECT_EQ(failures(), (std::multimap<std::int64_t, std::string>{
                            {20,
                             "the launch ended while this point was measured: no sign of life "
                             "for 2 s past the time limit"}}));
  EXPECT_EQ(read_observations(out_).observations.size(), 40U) << "the others: not begun";
  EXPECT_THAT(printed(),
              testing::ContainsRegex("to go on: " MOECAL_PROGRAM " measure .*--silence 2"));
  EXPECT_EQ(run(command + "1000"), 1);
  EXPECT_THAT(printed(), testing::ContainsRegex("spin \\(spin\\) +38 +1 +1"));
  EXPECT_THAT(printed(), testing::Not(HasSubstr("to go on")));
  expect_nothing_left_behind();
}

// The point of an earlier launch is not the doing of one that does not even start.
TEST_F(MeasureEnding, BlamesNoPointOfAnEarlierLaunch) {
  folder_.write("programs/bench_refusing",
                "#!/bin/sh\ncase $1 in --list) exec " MOECAL_TESTING_PROGRAMS
                "/bench_synthetic --list ;; esac\nexit 2\n");
  std::filesystem::permissions(folder_.path("programs/bench_refusing"),
                               std::filesystem::perms::owner_all);
  Observation earlier;
  earlier.run_id = "test";
  earlier.operation = "spin";
  earlier.point = {{"index", 5}};
  PointNote{out_}.write(earlier);
  EXPECT_EQ(run("--device cpu --run-id test --out " + out_ + " --programs-dir " +
                folder_.path("programs")),
            2);
  EXPECT_EQ(failures(), (std::multimap<std::int64_t, std::string>{
                            {5, "the launch ended while this point was measured"}}));
  EXPECT_THAT(printed(), HasSubstr("bench_refusing ended with exit status 2\n"));
  EXPECT_THAT(printed(), HasSubstr("the points of bench_refusing are not known: it ended before it "
                                   "named them\n"));
  EXPECT_THAT(printed(), testing::Not(HasSubstr("started again")));
  expect_nothing_left_behind();
}

// As in a driver that does not let go of its GPU.
TEST_F(MeasureEnding, EndsAProgramThatHangsAtItsEnd) {
  folder_.write("programs/bench_lingering",
                "#!/bin/sh\ncase $1 in --list) exec " MOECAL_TESTING_PROGRAMS
                "/bench_synthetic --list ;; esac\n" MOECAL_TESTING_PROGRAMS
                "/bench_synthetic \"$@\"\nsleep 100\n");
  std::filesystem::permissions(folder_.path("programs/bench_lingering"),
                               std::filesystem::perms::owner_all);
  EXPECT_EQ(run("--device cpu --run-id test --seconds-per-point 0.001 --silence 1 --time-limit 2"
                " --out " +
                out_ + " --programs-dir " + folder_.path("programs")),
            1);
  EXPECT_THAT(printed(), HasSubstr("bench_lingering gave no sign of life for 1 s past its time "
                                   "limit, and was ended\n"));
  EXPECT_THAT(printed(), testing::Not(HasSubstr("stopped on request")));
  EXPECT_TRUE(failures().empty());
}

// Ten times as long as past a limit: nothing says how long the program may take.
TEST_F(MeasureEnding, EndsAProgramWithoutATimeLimitWhenItIsSilentForLong) {
  EXPECT_EQ(run(suite_with({{20, kHangs}}) + " --silence 0.2"), 1);
  EXPECT_THAT(printed(), HasSubstr("bench_synthetic gave no sign of life for 2 s, and was ended "
                                   "inside a point: it is started again"));
  EXPECT_EQ(failures(), (std::multimap<std::int64_t, std::string>{
                            {20,
                             "the launch ended while this point was measured: no sign of life "
                             "for 2 s"}}));
  EXPECT_THAT(printed(), testing::ContainsRegex("spin \\(spin\\) +38 +1 +1"));
}

// As in a driver that waits for a GPU for ever: each program would hang for as long.
TEST_F(MeasureEnding, StartsNoOtherProgramOnAGpuAfterOneThatHungBeforeItsFirstPoint) {
  const std::string list =
      "case $1 in --list) echo '{\"cuda_devices\": 1, \"operations\": [{\"operation\": "
      "\"spin\", \"implementations\": [{\"name\": \"spin\", \"backend\": \"BACKEND\", "
      "\"seconds\": {\"quick\": 1}}]}]}'; exit ;; esac\n";
  const auto of = [&](const std::string& backend) {
    return std::regex_replace(list, std::regex{"BACKEND"}, backend);
  };
  write_program("bench_a", of("cuda") + "sleep 100\n");
  write_program("bench_b", of("cuda") + "touch " + folder_.path("started") + "\n");
  EXPECT_EQ(run(of_folder() + " --device auto --silence 1 --time-limit 4"), 1);
  EXPECT_THAT(printed(), HasSubstr("bench_a gave no sign of life for 1 s past its time limit, and "
                                   "was ended\n"));
  EXPECT_THAT(printed(), HasSubstr("bench_b is not started: the GPU gives no answer since bench_a "
                                   "hung\n"));
  EXPECT_THAT(printed(), HasSubstr("the points of bench_a are not known: it ended before it named "
                                   "them\nthe points of bench_b are not known: it was not started"
                                   "\n"));
  EXPECT_THAT(printed(), HasSubstr("to go on: " MOECAL_PROGRAM " measure"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("started")));
}

// As services do: then no program's end could be waited for, and each would seem to hang.
TEST_F(MeasureEnding, KnowsHowAProgramEndedWhereItsParentIgnoresChildrensEnds) {
  const pid_t child =
      start(suite_with({{3, kCrash}}) + " --time-limit 60", "env --ignore-signal=CHLD");
  EXPECT_EQ(wait(child), 1) << said();
  EXPECT_EQ(failures(), (std::multimap<std::int64_t, std::string>{
                            {3,
                             "the launch ended while this point was measured: signal 11 "
                             "(Segmentation fault)"}}));
  EXPECT_EQ(read_observations(out_).observations.size(), 40U);
}

TEST_F(MeasureEnding, CountsWhatAnInterruptLeavesOut) {
  const pid_t child = start(suite_with({{20, kHangs}}));
  for (int i = 0; i < 1000 && !std::filesystem::exists(out_ + ".measuring"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  std::this_thread::sleep_for(std::chrono::milliseconds{500});
  kill(child, SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds{100});
  kill(child, SIGINT);  // once more, since the point does not heed the first
  EXPECT_EQ(wait(child), 130) << said();
  EXPECT_THAT(printed(), HasSubstr("points of bench_synthetic are recorded nowhere"));
  EXPECT_THAT(printed(), HasSubstr("stopped on request"));
}

}  // namespace
}  // namespace moecal::cli
