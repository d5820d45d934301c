// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// `moecal measure` as a user runs it, on a program that only lets time pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <thread>

#include "core/json_reader.hpp"
#include "core/observation.hpp"
#include "core/point_note.hpp"
#include "tests/temporary_folder.hpp"

namespace moecal::cli {
namespace {

using testing::HasSubstr;

class Measure : public testing::Test {
 protected:
  [[nodiscard]] pid_t start(const std::string& arguments) const {
    const std::string command = "exec " MOECAL_PROGRAM " measure " + arguments + " >" +
                                folder_.path("stdout") + " 2>" + folder_.path("stderr");
    const pid_t child = fork();
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    return child;
  }
  [[nodiscard]] static int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  [[nodiscard]] int run(const std::string& arguments) const { return wait(start(arguments)); }
  [[nodiscard]] std::string recording() const {
    return "--programs-dir " MOECAL_TESTING_PROGRAMS " --device cpu --run-id test --out " + out_;
  }
  [[nodiscard]] std::string printed() const { return read_file(folder_.path("stdout")); }
  [[nodiscard]] std::string said() const { return read_file(folder_.path("stderr")); }
  // What was printed, with this test's own paths taken out.
  [[nodiscard]] std::string normalised() const {
    auto text = std::regex_replace(printed(), std::regex{folder_.path()}, "FOLDER");
    text = std::regex_replace(text, std::regex{MOECAL_PROGRAM}, "moecal");
    return std::regex_replace(text, std::regex{MOECAL_TESTING_PROGRAMS}, "PROGRAMS");
  }
  static std::string golden(const std::string& name) {
    return read_file(MOECAL_SOURCE_DIR "/cli/golden/" + name);
  }

  TemporaryFolder folder_;
  std::string out_ = folder_.path("run.jsonl");
};

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
  EXPECT_EQ(run(recording() + " --seconds-per-point 0.001 --time-limit 0"), 3);
  EXPECT_THAT(printed(), testing::HasSubstr(
                             "skipped spin (spin) x40: not begun: the time limit of the run was"));
  EXPECT_THAT(printed(),
              testing::ContainsRegex("to go on: " MOECAL_PROGRAM " measure .*--time-limit 0"));
  EXPECT_EQ(run(recording() + " --seconds-per-point 0.001 --time-limit inf"), 0) << said();
  EXPECT_THAT(printed(), testing::ContainsRegex("spin \\(spin\\) +39 +1 +0"));
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
  EXPECT_THAT(printed(), HasSubstr("skipped spin (spin) x40: not begun"));
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
  EXPECT_EQ(run(command + " --time-limit 0"), 1);
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
      {"--programs-dir " + folder_.path(), "there are no benchmark programs (bench_*) in"}};
  for (const auto& [arguments, message] : cases) {
    EXPECT_EQ(run(arguments), 2) << arguments;
    EXPECT_THAT(said(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace moecal::cli
