// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/json_reader.hpp"

/// `moecal` as a user runs it. MOECAL_UPDATE_GOLDEN=1 rewrites the golden files.
namespace moecal::cli::testing {

struct Run {
  int status = 0;
  std::string output;  // stdout and stderr together
};

inline Run run_moecal(const std::string& arguments) {
  const std::string command = std::string{MOECAL_BINARY_DIR} + "/bin/moecal " + arguments;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  Run run;
  std::array<char, 4096> buffer{};
  for (std::size_t count = 0; (count = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    run.output.append(buffer.data(), count);
  run.status = WEXITSTATUS(pclose(pipe));
  return run;
}

inline void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string{MOECAL_SOURCE_DIR} + "/cli/golden/" + name;
  if (std::getenv("MOECAL_UPDATE_GOLDEN") != nullptr) std::ofstream{path} << text;
  EXPECT_EQ(text, read_file(path)) << "golden file " << path;
}

}  // namespace moecal::cli::testing
