// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>
#include <string>

#include "core/json_reader.hpp"
#include "tests/temporary_folder.hpp"

namespace moecal::cli {

/// `moecal measure` as a user runs it, on a program that only lets time pass.
class Measure : public testing::Test {
 protected:
  /// `through`: a command that becomes it.
  [[nodiscard]] pid_t start(const std::string& arguments, const std::string& through = "") const {
    const std::string command = "exec " + through + " " MOECAL_PROGRAM " measure " + arguments +
                                " >" + folder_.path("stdout") + " 2>" + folder_.path("stderr");
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

}  // namespace moecal::cli
