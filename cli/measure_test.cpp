// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// `moecal measure` as a user runs it, on a program that only lets time pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>
#include <utility>
#include <vector>

#include "cli/testing/measure_process.hpp"
#include "core/observation.hpp"

namespace moecal::cli {
namespace {

using testing::HasSubstr;

TEST_F(Measure, HelpIsAsInTheGoldenFile) {
  ASSERT_EQ(run("--help"), 0);
  EXPECT_EQ(printed(), golden("measure_help.txt"));
}

TEST_F(Measure, SumsUpWhatThePointsCameTo) {
  ASSERT_EQ(run(recording() + " --seconds-per-point 0.001"), 0) << said();
  EXPECT_EQ(normalised(), golden("measure.txt"));
  EXPECT_EQ(read_observations(out_).observations.size(), 40U);
}

// The printed line is typed as it stands: it measures the failed point again and nothing else.
TEST_F(Measure, SaysHowToGoOnAfterAFailure) {
  EXPECT_EQ(run(recording() + " --seconds-per-point 0.001 --suite planner"), 1);
  EXPECT_EQ(normalised(), golden("measure_failed.txt"));
  const auto text = printed();
  std::smatch line;
  ASSERT_TRUE(
      std::regex_search(text, line, std::regex{"to go on: " MOECAL_PROGRAM " measure ([^\n]*)"}));
  EXPECT_EQ(run(line[1]), 1);
  const auto observations = read_observations(out_).observations;
  ASSERT_EQ(observations.size(), 41U);
  EXPECT_EQ(observations.back().outcome, Outcome::failed);
}

TEST_F(Measure, LeavesWhatItHasNoTimeForToTheSameCommand) {
  const auto command = recording() + " --seconds-per-point 0.1 --time-limit ";
  EXPECT_EQ(run(command + "1"), 0) << said();
  EXPECT_THAT(printed(), testing::ContainsRegex(
                             "skipped spin \\(spin\\) x[0-9]+: not begun: the time limit of the "
                             "run was"));
  EXPECT_THAT(printed(),
              testing::ContainsRegex("to go on: " MOECAL_PROGRAM " measure .*--time-limit 1"));
  EXPECT_EQ(run(command + "inf"), 0) << said();
  EXPECT_THAT(printed(), testing::ContainsRegex("spin \\(spin\\) +39 +1 +0"));
}

TEST_F(Measure, StartsNothingThatHasNoTimeForAPoint) {
  EXPECT_EQ(run(recording() + " --seconds-per-point 0.001 --time-limit 0"), 3);
  EXPECT_THAT(printed(), HasSubstr("bench_synthetic is not started: the time limit leaves less "
                                   "than a start takes, about "));
  EXPECT_THAT(printed(), HasSubstr("the points of bench_synthetic are not known: it was not "
                                   "started\n"));
  EXPECT_THAT(printed(), HasSubstr("nothing was measured: there was no time for it\n"));
  EXPECT_THAT(printed(),
              testing::ContainsRegex("to go on: " MOECAL_PROGRAM " measure .*--time-limit 0"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

// As on a host without a library that one program of many is linked with.
TEST_F(Measure, LeavesOutAProgramThatCannotStartAndGoesOnWithTheOthers) {
  const std::filesystem::path programs = folder_.path("programs");
  std::filesystem::create_directories(programs);
  std::filesystem::create_symlink(MOECAL_TESTING_PROGRAMS "/bench_synthetic",
                                  programs / "bench_synthetic");
  const auto write_program = [&](const std::string& name, const std::string& text) {
    std::ofstream{programs / name} << "#!/bin/sh\n" << text << "\n";
    std::filesystem::permissions(programs / name, std::filesystem::perms::owner_all);
  };
  write_program("bench_xylem", "echo \"$*\" >&2; exit 1");
  std::filesystem::copy_file(MOECAL_PROGRAM_WITHOUT_LIBRARY, programs / "bench_layers");
  write_program("bench_broken", "echo \"$0: no driver\" >&2; exit 1");
  write_program("bench_garbled", "echo '{'");
  const auto of_these = "--programs-dir " + programs.string() + " --device cpu --run-id test" +
                        " --seconds-per-point 0.001 --out " + out_;
  EXPECT_EQ(run(of_these), 1) << "three programs are broken: " << said();
  EXPECT_EQ(read_observations(out_).observations.size(), 40U);
  const std::vector<std::string> sentences{
      "bench_layers is left out: it cannot start: error while loading shared libraries: "
      "libnot_on_this_host.so: cannot open shared object file",
      "bench_broken is left out: its --list failed with exit status 1: no driver\n",
      "bench_garbled is left out: ",
      "bench_xylem is left out: its --list failed with exit status 1: --list --suite quick "
      "--cuda-devices 0\n"};
  const auto summary = printed().find("operation (implementation)");
  ASSERT_NE(summary, std::string::npos);
  for (const auto& sentence : sentences) {
    EXPECT_THAT(printed().substr(0, summary), HasSubstr(sentence));
    EXPECT_THAT(printed().substr(summary), HasSubstr(sentence));
  }
  EXPECT_THAT(printed(), HasSubstr("to go on: " MOECAL_PROGRAM " measure"));
  for (const char* broken : {"bench_broken", "bench_garbled", "bench_xylem"})
    std::filesystem::remove(programs / broken);
  EXPECT_EQ(run(of_these), 0) << "a library that is not there is no failure: " << said();
  std::filesystem::remove(programs / "bench_synthetic");
  EXPECT_EQ(run(of_these), 1);
  EXPECT_THAT(said(), HasSubstr("can be used; bench_layers: it cannot start"));
}

TEST_F(Measure, CountsWhatListingTakesInItsTimeLimit) {
  const std::filesystem::path programs = folder_.path("programs");
  std::filesystem::create_directories(programs);
  std::ofstream{programs / "bench_slow_to_start"}
      << "#!/bin/sh\ncase $1 in --list) sleep 0.3 ;; esac\nexec " MOECAL_TESTING_PROGRAMS
         "/bench_synthetic \"$@\"\n";
  std::filesystem::permissions(programs / "bench_slow_to_start", std::filesystem::perms::owner_all);
  EXPECT_EQ(run("--programs-dir " + programs.string() + " --device cpu --run-id test --out " +
                out_ + " --time-limit 0.3"),
            3);
  EXPECT_THAT(printed(), HasSubstr("bench_slow_to_start is not started: the time limit leaves"));
}

// The first time it is told that its time is over before it begins.
TEST_F(Measure, StartsAProgramAgainWithTheTimeThatOthersLeft) {
  folder_.write("programs/bench_cut",
                "#!/bin/sh\ncase $1 in --list) ;; *)\n  if ! [ -e " + folder_.path("begun") +
                    " ]; then\n    touch " + folder_.path("begun") +
                    "\n    set -- $(echo \"$@\" | sed 's/--time-limit [0-9.]*/--time-limit 0/')\n"
                    "  fi ;;\nesac\nexec " MOECAL_TESTING_PROGRAMS "/bench_synthetic \"$@\"\n");
  const std::filesystem::path program = folder_.path("programs/bench_cut");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  EXPECT_EQ(run("--programs-dir " + program.parent_path().string() + " --device cpu --run-id test" +
                " --seconds-per-point 0.001 --time-limit 60 --out " + out_),
            0)
      << said();
  EXPECT_THAT(
      printed(),
      HasSubstr(
          "bench_cut is started again, for its share of the time was not enough for 40 points"));
  EXPECT_THAT(printed(), testing::ContainsRegex("spin \\(spin\\) +39 +1 +0"));
}

// Its last point and its end come after its time; other programs can make up for that, not the
// last.
TEST_F(Measure, KeepsSomeOfTheLastProgramsTimeBack) {
  folder_.write("programs/bench_noting",
                "#!/bin/sh\ncase $1 in --list) ;; *) echo \"$*\" > " + folder_.path("arguments") +
                    " ;; esac\nexec " MOECAL_TESTING_PROGRAMS "/bench_synthetic \"$@\"\n");
  std::filesystem::permissions(folder_.path("programs/bench_noting"),
                               std::filesystem::perms::owner_all);
  EXPECT_EQ(run("--device cpu --run-id test --seconds-per-point 0.001 --time-limit 20 --out " +
                out_ + " --programs-dir " + folder_.path("programs")),
            0)
      << said();
  const auto arguments = read_file(folder_.path("arguments"));
  std::smatch limit;
  ASSERT_TRUE(std::regex_search(arguments, limit, std::regex{"--time-limit ([0-9.]+)"}));
  EXPECT_LE(std::stod(limit[1]), 19);
}

TEST_F(Measure, StartsOnlyProgramsThatHaveACaseInTheSuite) {
  std::ofstream{folder_.path("suite.jsonl")} << R"({"operation": "spin", "point": {"index": 1, )"
                                             << R"("wrong": 0}})";
  const auto suite = " --suite " + folder_.path("suite.jsonl");
  EXPECT_EQ(run(recording() + " --seconds-per-point 0.001" + suite), 0) << said();
  EXPECT_EQ(read_observations(out_).observations.size(), 1U);
}

TEST_F(Measure, PassesAnInterruptOnAndResumes) {
  const pid_t child = start(recording() + " --seconds-per-point 0.05");
  std::error_code missing;
  for (int i = 0; i < 1000; ++i) {
    const auto size = std::filesystem::file_size(out_, missing);
    if (!missing && size > 2000) break;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  kill(child, SIGINT);
  EXPECT_EQ(wait(child), 130) << said();
  EXPECT_THAT(printed(), HasSubstr("stopped on request"));
  EXPECT_THAT(printed(),
              HasSubstr("to go on: " MOECAL_PROGRAM " measure --suite quick --out " + out_));
  EXPECT_THAT(said(), HasSubstr("stopped: interrupted"));
  EXPECT_LT(read_observations(out_).observations.size(), 40U);
  EXPECT_EQ(run(recording() + " --seconds-per-point 0.05"), 0);
  EXPECT_EQ(read_observations(out_).observations.size(), 40U);
}

TEST_F(Measure, RefusesWhatItCannotUnderstand) {
  std::ofstream{folder_.path("suite.jsonl")} << R"({"operation": "spin", "point": {"index": 1}})"
                                             << "\n"
                                             << R"({"operation": "spim", "point": {"index": 1}})";
  const std::vector<std::pair<std::string, std::string>> cases{
      {recording() + " --only gemm", "--only: no program here measures 'gemm'; there are: spin"},
      {"--programs-dir " MOECAL_TESTING_PROGRAMS " --device cuda",
       "--device cuda: these programs were built without CUDA"},
      {recording() + " --suite fast", "--suite fast: neither quick, planner or full nor a file"},
      {recording() + " --suite " + folder_.path("suite.jsonl"),
       "suite.jsonl:2: no program here measures 'spim'"},
      {recording() + " --suite " +
           folder_.write("misspelt.jsonl", R"({"operation": "spin", "points": {"index": 1}})"),
       "misspelt.jsonl:1: field 'points' is not known here; there are: operation, point"},
      {"--programs-dir " + folder_.path(), "there are no benchmark programs (bench_*) in"}};
  for (const auto& [arguments, message] : cases) {
    EXPECT_EQ(run(arguments), 2) << arguments;
    EXPECT_THAT(said(), HasSubstr(message));
    EXPECT_THAT(printed(), testing::Not(HasSubstr("to go on")));
    EXPECT_FALSE(std::filesystem::exists(out_)) << arguments;
  }
}

}  // namespace
}  // namespace moecal::cli
