// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// What a benchmark program does as a process: its exit status, its file, and what it says.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <sstream>
#include <thread>

#include "core/json_reader.hpp"
#include "core/observation.hpp"

namespace moecal::bench {
namespace {

using testing::HasSubstr;

constexpr std::size_t kPoints = 40;

// A folder of its own for each test.
class Program : public testing::Test {
 protected:
  Program() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("moecal_program_test_" + std::string{info->name()} + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    out_ = folder_ / "run.jsonl";
  }
  ~Program() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

  // Starts the program with its output and messages in files of the folder.
  [[nodiscard]] pid_t start(std::vector<std::string> arguments, rlim_t largest_file = 0) const {
    arguments.insert(arguments.begin(), MOECAL_BENCH_SYNTHETIC);
    const pid_t child = fork();
    if (child != 0) return child;
    redirect("stdout", STDOUT_FILENO);
    redirect("stderr", STDERR_FILENO);
    if (largest_file > 0) {  // what a full disk looks like to one process
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{largest_file, largest_file};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    std::vector<char*> raw;
    for (auto& argument : arguments) raw.push_back(argument.data());
    raw.push_back(nullptr);
    execv(raw[0], raw.data());
    _exit(127);
  }

  // Its exit status, or minus the signal that ended it.
  [[nodiscard]] static int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  [[nodiscard]] int run(std::vector<std::string> arguments, rlim_t largest_file = 0) const {
    return wait(start(std::move(arguments), largest_file));
  }

  [[nodiscard]] std::vector<std::string> recording(std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {"--out", out_, "--run-id", "test", "--benchmark_min_time=0.001", "--quiet"});
    return more;
  }

  [[nodiscard]] std::string said() const { return read_file(path("stderr")); }
  [[nodiscard]] std::string printed() const { return read_file(path("stdout")); }
  [[nodiscard]] std::vector<Observation> observations() const {
    return read_observations(out_).observations;
  }

  // Until the program has begun to record.
  void wait_for_points() const {
    std::error_code missing;
    for (int i = 0; i < 1000; ++i) {
      const auto size = std::filesystem::file_size(out_, missing);
      if (!missing && size > 2000) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    FAIL() << "no point was recorded in ten seconds";
  }

  // How often each point was measured or skipped.
  [[nodiscard]] std::map<std::string, int> finished() const {
    std::map<std::string, int> counts;
    for (const auto& observation : observations())
      if (observation.outcome != Outcome::failed) ++counts[observation.key()];
    return counts;
  }

  std::filesystem::path folder_;
  std::string out_;

 private:
  void redirect(const std::string& name, int descriptor) const {
    const int file = open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(file, descriptor);
    close(file);
  }
};

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

TEST_F(Program, ResumesWithNothingLeftToDo) {
  ASSERT_EQ(run(recording()), 0);
  const auto before = read_file(out_);
  ASSERT_EQ(run(recording()), 0) << said();
  EXPECT_EQ(read_file(out_), before);
  EXPECT_THAT(said(), HasSubstr("holds 40 finished points of run 'test'; 0 are left here"));
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
// and running the same command until it succeeds measures every point exactly once.
TEST_F(Program, SurvivesBeingKilledAtAnyMoment) {
  std::mt19937 random{20240607};
  int kills = 0;
  int status = -SIGKILL;
  for (int attempt = 0; attempt < 60 && status != 0; ++attempt) {
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
  EXPECT_EQ(status, 0) << said();
  EXPECT_GE(kills, 3);
  EXPECT_EQ(finished().size(), kPoints);
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
      {"--benchmark_min_time=soon", "--benchmark_min_time=soon is not a positive number"},
      {"--unknown", "the option '--unknown' is not known"}};
  for (const auto& [argument, message] : cases) {
    EXPECT_EQ(run({argument}), 2) << argument;
    EXPECT_THAT(said(), HasSubstr(message));
  }
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
      {R"({"operation": "spin", "point": {}, "dtype": {}})", ":1: field 'dtype' is not known here"},
      {R"({"operation": "spin", "point": {"index": -1}})", ":1: field 'point.index' is negative"},
      {R"({"operation": "spin")", ":1"},
      {"", "holds no case"}};
  for (const auto& [line, message] : cases) {
    std::ofstream{path("suite.jsonl")} << line << "\n";
    EXPECT_EQ(run({"--suite", path("suite.jsonl")}), 2) << line;
    EXPECT_THAT(said(), HasSubstr(message));
  }
}

TEST_F(Program, HelpAndListAreAsInTheGoldenFiles) {
  const std::string golden = MOECAL_SOURCE_DIR "/bench/testing/golden/";
  ASSERT_EQ(run({"--help"}), 0);
  EXPECT_THAT(printed(), testing::StartsWith(read_file(golden + "help.txt")));
  EXPECT_THAT(printed(), HasSubstr("--benchmark_filter"));
  ASSERT_EQ(run({"--list"}), 0);
  EXPECT_EQ(
      std::regex_replace(printed(), std::regex{R"("cuda_devices": \d+)"}, R"("cuda_devices": 0)"),
      read_file(golden + "list.json"));
}

}  // namespace
}  // namespace moecal::bench
