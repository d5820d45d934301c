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

namespace moecal {

/// What a verb printed and returned.
struct VerbOutcome {
  int status = -1;
  std::string text;  // standard output and error
};

/// Runs `moecal ARGUMENTS` as a user would, through a shell, in that folder.
inline VerbOutcome run_moecal(const std::string& arguments, const std::string& folder = ".") {
  const std::string command =
      "cd '" + folder + "' && '" MOECAL_BINARY_DIR "/bin/moecal' " + arguments + " 2>&1";
  VerbOutcome outcome;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    outcome.text.append(buffer.data(), count);
  outcome.status = WEXITSTATUS(::pclose(pipe));
  return outcome;
}

/// Holds a text to cli/golden/NAME; MOECAL_UPDATE_GOLDEN=1 rewrites that file.
inline void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = MOECAL_SOURCE_DIR "/cli/golden/" + name;
  if (std::getenv("MOECAL_UPDATE_GOLDEN") != nullptr) std::ofstream{path} << text;
  EXPECT_EQ(text, read_file(path)) << "golden file " << path;
}

}  // namespace moecal
