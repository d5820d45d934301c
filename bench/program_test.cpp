// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// What a benchmark program does as a process: its exit status, its file, and what it says.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <set>

#include "bench/testing/program_process.hpp"

namespace moecal::bench {
namespace {

using testing::HasSubstr;

TEST_F(Program, RecordsEveryPointOnceAndSaysHowItWent) {
  ASSERT_EQ(run(recording()), 0) << said();
  const auto file = read_observations(out_);
  EXPECT_EQ(file.environments.size(), 1U);
  EXPECT_EQ(file.observations.size(), kPoints);
  EXPECT_EQ(finished().size(), kPoints);
  for (const auto& o : file.observations) {
    EXPECT_NO_THROW((void)file.environment(o.environment_id));
    EXPECT_EQ(o.outcome, o.point.at("index") == 7 ? Outcome::skipped : Outcome::measured);
  }
  EXPECT_THAT(said(), HasSubstr("[0/40] spin/spin/index:"));
  EXPECT_THAT(said(), HasSubstr("39 measured, 1 skipped, 0 failed; 40 points of run 'test' are "
                                "whole in " +
                                out_));
}

TEST_F(Program, FailsIfEveryPointIsSkippedUnlessTheRunMeasuredSome) {
  const auto skipped = recording({"--benchmark_filter=index:7/"});
  for (int launch = 1; launch <= 2; ++launch) {
    EXPECT_EQ(run(skipped), 3);
    EXPECT_THAT(said(), HasSubstr("nothing was measured: every point was skipped"));
  }
  EXPECT_EQ(run(recording({"--benchmark_filter=index:(6|7)/"})), 0) << said();
  EXPECT_EQ(run(skipped), 0) << said();
}

TEST_F(Program, ResumesWithNothingLeftToDo) {
  ASSERT_EQ(run(recording()), 0);
  const auto before = read_file(out_);
  ASSERT_EQ(run(recording()), 0) << said();
  EXPECT_EQ(read_file(out_), before);
  EXPECT_THAT(said(), HasSubstr("holds 40 finished points of run 'test'; 0 are left here"));
}

TEST_F(Program, RecordsWhatItDoesNotBeginWithinItsTimeAndMeasuresItLater) {
  EXPECT_EQ(run(recording({"--time-limit", "0"})), 3);
  EXPECT_THAT(said(), HasSubstr("40 points were not begun within the time limit of 0 s; the same "
                                "command with --run-id test measures them"));
  ASSERT_EQ(observations().size(), kPoints);
  for (const auto& o : observations()) {
    EXPECT_EQ(o.outcome, Outcome::skipped);
    EXPECT_EQ(o.reason, "not begun: the time limit of the run was over");
  }
  EXPECT_EQ(run(recording({"--time-limit", "1000"})), 0) << said();
  EXPECT_EQ(observations().size(), 2 * kPoints);
  EXPECT_THAT(said(), HasSubstr("39 measured, 1 skipped, 0 failed"));
}

TEST_F(Program, MeasuresAllAgainUnderAnotherRunId) {
  ASSERT_EQ(run(recording()), 0);
  auto arguments = recording();
  arguments[3] = "second";
  ASSERT_EQ(run(arguments), 0);
  EXPECT_EQ(observations().size(), 2 * kPoints);
}

TEST_F(Program, FailsAtTheEndIfAPointFailedAndTriesItAgain) {
  EXPECT_EQ(run(recording({"--suite", "planner"})), 1);
  EXPECT_EQ(observations().size(), kPoints);
  EXPECT_THAT(said(), HasSubstr("38 measured, 1 skipped, 1 failed"));
  EXPECT_EQ(run(recording({"--suite", "planner"})), 1);
  EXPECT_EQ(observations().size(), kPoints + 1);  // only the failed one
  EXPECT_EQ(observations().back().reason,
            "verification failed: relative error 1 is over 0.5 (full)");
}

TEST_F(Program, KeepsAFailureOnRequest) {
  EXPECT_EQ(run(recording({"--suite", "planner"})), 1);
  EXPECT_EQ(run(recording({"--suite", "planner", "--keep-failed"})), 0) << said();
  EXPECT_EQ(observations().size(), kPoints);
}

TEST_F(Program, OrdersPointsByTheSeedAlone) {
  ASSERT_EQ(run(recording({"--order-seed", "5"})), 0);
  std::vector<std::int64_t> order;
  for (const auto& o : observations()) order.push_back(o.point.at("index"));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  out_ += ".second";
  ASSERT_EQ(run(recording({"--order-seed", "5"})), 0);
  for (std::size_t i = 0; i < order.size(); ++i)
    EXPECT_EQ(observations()[i].point.at("index"), order[i]);
}

TEST_F(Program, RecordsEachRepetitionAndResumesWithinThem) {
  const auto few = [&](const char* count) {
    return recording({"--benchmark_filter=index:1/", count});
  };
  ASSERT_EQ(run(few("--benchmark_repetitions=2")), 0);
  ASSERT_EQ(run(few("--benchmark_repetitions=5")), 0);
  std::vector<int> repetitions;
  for (const auto& o : observations()) repetitions.push_back(o.repetition);
  EXPECT_EQ(repetitions, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(Program, KeepsGoogleBenchmarksCommandLine) {
  ASSERT_EQ(run({"--benchmark_list_tests", "--out", out_}), 0);
  EXPECT_THAT(printed(), HasSubstr("spin/spin/index:39/wrong:0/cold"));
  EXPECT_FALSE(std::filesystem::exists(out_));
  ASSERT_EQ(run({"--benchmark_filter=index:(1|7)/", "--benchmark_min_time=0.001",
                 "--benchmark_out=" + path("google.json")}),
            0);
  const auto json = parse_json(read_file(path("google.json")), {"google.json", 0});
  ASSERT_EQ(json.at("benchmarks").size(), 2U);
  for (const auto& entry : json.at("benchmarks")) {
    if (entry.at("name").get<std::string>().find("index:7/") != std::string::npos)
      EXPECT_EQ(entry.at("error_message"), "skipped: this point is always skipped");
    else
      EXPECT_GE(entry.at("real_time").get<double>(),
                99);  // microseconds; a busy machine takes more
  }
}

TEST_F(Program, StopsOnAnInterruptWithAllLinesWhole) {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::filesystem::remove(out_);
    auto arguments = recording();
    arguments[4] = "--benchmark_min_time=0.05";  // two seconds and more
    const pid_t child = start(arguments);
    wait_for_points();
    kill(child, signal);
    EXPECT_EQ(wait(child), 130) << said();
    const auto done = finished().size();
    EXPECT_LT(done, kPoints);
    EXPECT_THAT(said(), HasSubstr("stopped: interrupted. " + std::to_string(done) +
                                  " points of run 'test' are whole in " + out_ +
                                  "; the same command with --run-id test resumes"));
  }
}

// The promise behind an appended line: whatever moment the process dies at, the file can be read,
// and running the same command until it ends by itself measures every point exactly once, but for
// those that two deaths fell into.
TEST_F(Program, SurvivesBeingKilledAtAnyMoment) {
  std::mt19937 random{20240607};
  int kills = 0;
  int status = -SIGKILL;
  for (int attempt = 0; attempt < 60 && status < 0; ++attempt) {
    const pid_t child = start(recording());
    if (attempt < 25) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5 + random() % 60});
      kill(child, SIGKILL);
    }
    status = wait(child);
    kills += status == -SIGKILL;
    if (!std::filesystem::exists(out_)) continue;
    ASSERT_NO_THROW((void)observations());
    for (const auto& [key, count] : finished()) ASSERT_EQ(count, 1) << key;
  }
  EXPECT_GE(kills, 3);
  const auto left_out = given_up();
  EXPECT_EQ(status, left_out.empty() ? 0 : 1) << said();
  EXPECT_EQ(finished().size() + left_out.size(), kPoints);
}

constexpr int kCrash = 3, kKilled = 4, kDeviceLost = 5;  // of synthetic_main.cpp

// The first launch cannot say so any more; the next finds its note.
TEST_F(Program, RecordsAPointThatKilledItTwiceAndMeasuresTheOthers) {
  const auto arguments = recording({"--suite", suite_with({{8, kCrash}, {20, kKilled}})});
  int deaths = 0, status = -1;
  for (; status < 0 && deaths < 10; ++deaths) status = run(arguments);
  EXPECT_EQ(deaths, 5) << "two deaths in each of two points, and a launch that ends";
  EXPECT_EQ(status, 1);
  EXPECT_THAT(said(), HasSubstr("2 points were left out: launches of this run ended"));
  EXPECT_EQ(finished().size(), kPoints - 2);
  EXPECT_EQ(given_up().size(), 2U);
  for (const auto& o : observations())
    if (o.outcome == Outcome::failed) {
      EXPECT_THAT(o.point.at("index"), testing::AnyOf(8, 20));
      EXPECT_EQ(o.reason, "the launch ended while this point was measured");
    }
  const auto before = read_file(out_);
  EXPECT_EQ(run(arguments), 1) << "there is nothing left to do, and it is no success";
  EXPECT_EQ(read_file(out_), before);
  EXPECT_FALSE(std::filesystem::exists(out_ + ".measuring"));
}

// Every other point would fail in a context that is dead.
TEST_F(Program, EndsWhenTheDeviceIsLostAndGoesOnPastThatPoint) {
  const auto arguments = recording({"--suite", suite_with({{20, kDeviceLost}})});
  EXPECT_EQ(run(arguments), 4);
  EXPECT_THAT(said(), HasSubstr("moecal: stopped: the device is lost since spin/spin/index:20/"));
  EXPECT_THAT(said(), HasSubstr("the same command with --run-id test resumes"));
  EXPECT_LT(finished().size(), kPoints - 1);
  EXPECT_EQ(observations().back().point.at("index"), 20);
  EXPECT_EQ(observations().back().reason,
            "the launch ended while this point was measured: a kernel that faults");
  EXPECT_EQ(run(arguments), 1) << said();
  EXPECT_EQ(finished().size(), kPoints - 1);
  EXPECT_EQ(observations().size(), kPoints);
}

TEST_F(Program, NamesWhatIsLeftToMeasureOnRequest) {
  const auto planned = [&](const std::vector<std::string>& more) {
    auto arguments = recording({"--plan", path("plan")});
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run(arguments), 0) << said();
    std::ifstream stream{path("plan")};
    std::set<std::string> keys;
    for (std::string line; std::getline(stream, line);) keys.insert(line);
    return keys;
  };
  EXPECT_EQ(planned({"--benchmark_filter=index:1/"}).size(), 1U);
  const auto keys = planned({});
  EXPECT_EQ(keys.size(), kPoints - 1);
  for (const auto& key : keys) EXPECT_EQ(finished().count(key), 1U) << key;
  EXPECT_TRUE(planned({}).empty());
}

TEST_F(Program, RepairsTheHalfLineOfADeadWriter) {
  ASSERT_EQ(run(recording()), 0);
  auto text = read_file(out_);
  text.resize(text.size() - 1);  // the whole record but its newline: it does not count as written
  std::ofstream{out_} << text;
  ASSERT_EQ(run(recording()), 0) << said();
  EXPECT_EQ(finished().size(), kPoints);
  EXPECT_EQ(observations().size(), kPoints);
}

TEST_F(Program, EndsWithASentenceWhenTheDiskIsFull) {
  EXPECT_EQ(run(recording(), 8000), 1);
  EXPECT_THAT(said(), HasSubstr("moecal: stopped: could not append to '" + out_ + "'"));
  const auto done = finished().size();
  EXPECT_GT(done, 0U);
  EXPECT_LT(done, kPoints);
  EXPECT_EQ(read_file(out_).back(), '\n');
  EXPECT_EQ(run(recording()), 0);
  EXPECT_EQ(finished().size(), kPoints);
}

TEST_F(Program, SaysWhatIsWrongWithItsCommandLine) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"--suite=nowhere.jsonl", "cannot read the suite 'nowhere.jsonl'"},
      {"--device=gpu", "--device"},
      {"--implementation=cutlass",
       "no operation here has an implementation 'cutlass'; there are: spin"},
      {"--benchmark_repetitions=0.5",
       "--benchmark_repetitions=0.5 is not a whole number from 1 up"},
      {"--card=b200-sxm", "--card b200-sxm: the device is a '"},
      {"--benchmark_min_time=soon", "--benchmark_min_time=soon is not a positive number"},
      {"--unknown", "the option '--unknown' is not known"}};
  for (const auto& [argument, message] : cases) {
    EXPECT_EQ(run({argument}), 2) << argument;
    EXPECT_THAT(said(), HasSubstr(message));
  }
}

TEST_F(Program, PromisesToResumeOnlyWhatIsRecorded) {
  const pid_t child = start({"--benchmark_min_time=0.2", "--quiet"});
  const auto is_silent = [&] { return !std::filesystem::exists(path("stderr")) || said().empty(); };
  for (int i = 0; i < 1000 && is_silent(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  kill(child, SIGINT);
  EXPECT_EQ(wait(child), 130);
  EXPECT_THAT(said(), testing::EndsWith("interrupted. nothing was recorded (no --out)\n"));
}

TEST_F(Program, MeasuresTheCasesOfASuiteFile) {
  std::ofstream{path("suite.jsonl")}
      << R"({"operation": "spin", "point": {"index": 1000, "wrong": 0}})"
      << "\n\n"
      << R"({"operation": "other", "point": {"bytes": 1}})"
      << "\n";
  ASSERT_EQ(run(recording({"--suite", path("suite.jsonl")})), 0) << said();
  ASSERT_EQ(observations().size(), 1U);
  EXPECT_EQ(observations()[0].point.at("index"), 1000);
}

TEST_F(Program, NamesFileLineAndFieldOfABadSuite) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"operation": "spin", "point": {"index": "x"}})", ":1: field 'point' has the wrong type"},
      {R"({"operation": "spin"})", ":1: field 'point' is missing"},
      {R"({"operation": "spin", "point": {"index": 1}})",
       "suite.jsonl:1: spin needs the number 'point.wrong'; its numbers are: index, wrong"},
      {R"({"operation": "spin", "point": {"index": 1, "wrogn": 0}})",
       "suite.jsonl:1: spin has no number 'point.wrogn'; its numbers are: index, wrong"},
      {R"({"operation": "other", "point": {"bytes": 1}})",
       "holds no case of what is measured here"},
      {R"({"operation": "spin", "point": {}, "dtype": {}})",
       ":1: field 'dtype' is not known here; there "
       "are: operation, point, dtypes, ranks, routing"},
      {R"({"operation": "spin", "point": {}, "dtypes": {"a": "f23"}})",
       ":1: field 'dtypes.a' is wrong: unknown dtype 'f23'; known: f32 f16"},
      {R"({"operation": "spin", "point": {}, "dtypes": {"scale_mode": "row"}})",
       ":1: field 'dtypes.scale_mode' is 'row'; there are: none, tensor, outer_vector"},
      {R"({"operation": "spin", "point": {}, "ranks": {"tier": "far"}})",
       ":1: field 'ranks.tier' is 'far'; there are: intra, inter"},
      {R"({"operation": "spin", "point": {}, "ranks": {"group": 0}})",
       ":1: field 'ranks.group' is less than 1"},
      {R"({"operation": "spin", "point": {}, "routing": {"distribution": "zipf"}})",
       ":1: field 'routing.distribution' is 'zipf'; there are: uniform, balanced"},
      {R"({"operation": "spin", "point": {"index": -1}})", ":1: field 'point.index' is negative"},
      {R"({"operation": "spin")", ":1"},
      {"", "holds no case"}};
  for (const auto& [line, message] : cases) {
    std::ofstream{path("suite.jsonl")} << line << "\n";
    EXPECT_EQ(run({"--suite", path("suite.jsonl"), "--out", path("refused.jsonl")}), 2) << line;
    EXPECT_THAT(said(), HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(path("refused.jsonl"))) << line;
  }
}

TEST_F(Program, HelpAndListAreAsInTheGoldenFiles) {
  const std::string golden = MOECAL_SOURCE_DIR "/bench/testing/golden/";
  ASSERT_EQ(run({"--help"}), 0);
  EXPECT_THAT(printed(), testing::StartsWith(read_file(golden + "help.txt")));
  EXPECT_THAT(printed(), HasSubstr("--benchmark_filter"));
  ASSERT_EQ(run({"--list", "--cuda-devices", "3"}), 0);
  EXPECT_THAT(printed(), testing::HasSubstr("\"cuda_devices\": 3"));
  ASSERT_EQ(run({"--list"}), 0);
  const std::regex of_this_machine{"\"cuda_devices\": \\d+(,\n  \"why_no_cuda\": \".*\")?"};
  EXPECT_TRUE(std::regex_search(printed(), of_this_machine));
  EXPECT_EQ(std::regex_replace(printed(), of_this_machine, R"("cuda_devices": 0)"),
            read_file(golden + "list.json"));
  ASSERT_EQ(run({"--list", "--cuda-devices", "0", "--suite", "planner"}), 0);
  EXPECT_THAT(printed(), testing::ContainsRegex("\"seconds\": \\{\n +\"planner\": 2.12\n +\\}"));
  ASSERT_EQ(run({"--list", "--cuda-devices", "0", "--suite", "file.jsonl"}), 0);
  EXPECT_THAT(printed(), HasSubstr("\"seconds\": {}"));
}

}  // namespace
}  // namespace moecal::bench
