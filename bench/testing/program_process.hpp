// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/ended_points.hpp"
#include "core/json_reader.hpp"
#include "core/observation.hpp"
#include "tests/temporary_folder.hpp"

namespace moecal::bench {

inline constexpr std::size_t kPoints = 40;  // of bench_synthetic

using Variables = std::vector<std::pair<std::string, std::string>>;

/// bench_synthetic as a process, in a folder of its own for each test.
class Program : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path(name); }

  // Starts the program with its output and messages in files of the folder.
  [[nodiscard]] pid_t start(std::vector<std::string> arguments, rlim_t largest_file = 0) const {
    forget_output();
    return start_with({}, std::move(arguments), largest_file);
  }
  void forget_output() const {
    for (const char* name : {"stdout", "stderr"}) std::filesystem::remove(path(name));
  }
  // The same with more environment variables; its output goes behind that of ranks beside it.
  [[nodiscard]] pid_t start_with(const Variables& environment, std::vector<std::string> arguments,
                                 rlim_t largest_file = 0) const {
    arguments.insert(arguments.begin(), MOECAL_BENCH_SYNTHETIC);
    const pid_t child = fork();
    if (child != 0) return child;
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
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

  // Names a file of all points, of which these go wrong: index and synthetic_main.cpp's number.
  [[nodiscard]] std::string suite_with(const std::map<int, int>& wrong) const {
    std::string lines;
    for (int i = 0; i < static_cast<int>(kPoints); ++i) {
      const auto found = wrong.find(i);
      lines += R"({"operation": "spin", "point": {"index": )" + std::to_string(i) +
               R"(, "wrong": )" + std::to_string(found == wrong.end() ? 0 : found->second) + "}}\n";
    }
    return folder_.write("suite.jsonl", lines);
  }

  // How often each point was measured or skipped.
  [[nodiscard]] std::map<std::string, int> finished() const {
    std::map<std::string, int> counts;
    for (const auto& observation : observations())
      if (observation.outcome != Outcome::failed) ++counts[observation.key()];
    return counts;
  }

  // The points that no launch of the run begins any more.
  [[nodiscard]] std::set<std::string> given_up() const {
    EndedPoints ended;
    std::set<std::string> keys;
    for (const auto& observation : observations()) {
      ended.count(observation);
      if (ended.given_up(observation.key())) keys.insert(observation.key());
    }
    return keys;
  }

  TemporaryFolder folder_;
  std::string out_ = folder_.path("run.jsonl");

 private:
  void redirect(const std::string& name, int descriptor) const {
    const int file = open(path(name).c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(file, descriptor);
    close(file);
  }
};

}  // namespace moecal::bench
