// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/observation_files.hpp"

#include <fstream>
#include <iostream>
#include <set>

#include "core/json_reader.hpp"

namespace moecal::cli {
namespace {

/// The reader leaves out a last line that its writer did not finish: here it is named.
void name_unfinished_line(const std::string& path) {
  std::ifstream stream{path};
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number)
    if (stream.eof() && !line.empty() && !nlohmann::json::accept(line))
      std::cerr << FileLine{path, number}.str()
                << ": the last line is cut off and was left out: its writer died inside it\n";
}

/// The first line that holds a text.
int line_of(const std::string& path, const std::string& text) {
  std::ifstream stream{path};
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number)
    if (line.find(text) != std::string::npos) return number;
  return 0;
}

void check_environments(const ObservationFile& file, const std::string& path) {
  std::set<std::string> known;
  for (const auto& environment : file.environments) known.insert(environment.id());
  for (const auto& observation : file.observations)
    if (const auto& id = observation.environment_id; !known.contains(id))
      throw InvalidInput{FileLine{path, line_of(path, "\"" + id + "\"")}.str() +
                         ": field 'environment_id' is '" + id +
                         "', which no environment line of the file has: was it cut or joined from "
                         "parts?"};
}

}  // namespace

std::vector<ObservationFile> read_observation_files(std::span<const std::string> paths) {
  std::vector<ObservationFile> files;
  for (const auto& path : paths) {
    files.push_back(read_observations(path));
    name_unfinished_line(path);
    if (files.back().observations.empty() && files.back().environments.empty())
      throw InvalidInput{"'" + path +
                         "' is empty: it holds no line that 'moecal measure' or 'moecal import' "
                         "wrote"};
    check_environments(files.back(), path);
  }
  return files;
}

}  // namespace moecal::cli
