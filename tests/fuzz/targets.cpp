// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/targets.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "calibration/coefficients.hpp"
#include "core/error.hpp"
#include "core/observation.hpp"
#include "evaluation/splits.hpp"
#include "interchange/importer.hpp"

namespace moecal::fuzz {
namespace {

namespace fs = std::filesystem;
using interchange::Imported;

const fs::path kSource = MOECAL_SOURCE_DIR;

/// Why the observations could not be written and read again as they are.
std::string lost_in_the_file(const Imported& imported) {
  std::string lines;
  for (const auto& environment : imported.environments) lines += to_json_line(environment);
  for (const auto& observation : imported.observations) lines += to_json_line(observation);
  std::istringstream stream{lines};
  const auto file = read_observations(stream, "written by the import");
  if (file.observations.size() != imported.observations.size())
    return "observations were lost when the file was read";
  for (std::size_t i = 0; i < file.observations.size(); ++i) {
    if (to_json_line(file.observations[i]) != to_json_line(imported.observations[i]))
      return "an observation changed when the file was read";
    (void)file.environment(file.observations[i].environment_id);
  }
  return "";
}

std::string import_problem(const Target& target, const std::string& bytes,
                           interchange::ImportOptions options) {
  options.format = target.name;
  Imported imported;
  try {
    imported = interchange::import_text("fuzz.txt", bytes, options);
  } catch (const InvalidInput&) {
    return "";
  }
  if (const auto lost = lost_rows(imported); !lost.empty()) return lost;
  try {
    return lost_in_the_file(imported);
  } catch (const InvalidInput& error) {
    return std::string{"an import's own file is refused: "} + error.what();
  }
}

/// What users say: everything; nothing; only the card, so that operation and ranks are the file's
/// (the card with devices per node, by which ranks are placed, and one without).
std::vector<interchange::ImportOptions> said_by_users() {
  return {{.card = "cpu-fuzz", .operation = "all_reduce", .ranks = 8},
          {},
          {.card = "cpu-fuzz"},
          {.card = "b200-sxm"}};
}

std::string import_problem(const Target& target, const std::string& bytes) {
  for (const auto& format : interchange::formats()) (void)format.recognises(bytes);
  for (const auto& options : said_by_users())
    if (auto problem = import_problem(target, bytes, options); !problem.empty()) return problem;
  return "";
}

std::string observations_problem(const Target& /*target*/, const std::string& bytes) {
  std::istringstream stream{bytes};
  try {
    const auto file = read_observations(stream, "fuzz.jsonl");
    for (const auto& observation : file.observations) (void)to_json_line(observation);
  } catch (const InvalidInput&) {
  }
  return "";
}

/// A file of these bytes, for readers that take a path. Gone with the process's next one.
std::string file_of(const std::string& bytes) {
  const auto path = fs::temp_directory_path() / ("moecal_fuzz_" + std::to_string(::getpid()));
  std::ofstream{path, std::ios::binary} << bytes;
  return path.string();
}

template <class Read>
std::string reader_problem(const std::string& bytes, Read read) {
  const auto path = file_of(bytes);
  try {
    (void)read(path);
  } catch (const InvalidInput&) {
  } catch (...) {
    fs::remove(path);
    throw;
  }
  fs::remove(path);
  return "";
}

std::string coefficients_problem(const Target& /*target*/, const std::string& bytes) {
  return reader_problem(bytes,
                        [](const auto& path) { return calibration::read_coefficients(path); });
}

std::string splits_problem(const Target& /*target*/, const std::string& bytes) {
  return reader_problem(bytes, [](const auto& path) { return evaluation::read_splits(path); });
}

}  // namespace

std::string lost_rows(const interchange::Imported& imported) {
  std::map<int, int> left;  // by line: rows read, less what became of them
  for (const int line : imported.lines_read) ++left[line];
  for (const auto& observation : imported.observations) --left[observation.source.line];
  for (const auto& row : imported.refused) --left[row.line];
  for (const int line : imported.lines_not_imported) --left[line];
  for (const auto& [line, rows] : left)
    if (rows > 0)
      return std::to_string(rows) + " rows of line " + std::to_string(line) +
             " are neither observations nor refused nor said to be not imported";
  if (static_cast<int>(imported.lines_read.size()) == imported.rows_read) return "";
  return std::to_string(imported.rows_read) + " rows were read, of which the lines of " +
         std::to_string(imported.lines_read.size()) + " are known";
}

std::vector<Target> targets() {
  std::vector<Target> all;
  for (const auto& format : interchange::formats())
    all.push_back({format.name, import_problem, {kSource / "interchange/fixtures" / format.name}});
  all.push_back({"observations", observations_problem, {}});
  all.push_back({"coefficients", coefficients_problem, {}});
  all.push_back({"splits", splits_problem, {}});
  for (auto& target : all) target.corpus.push_back(kSource / "tests/fuzz/corpus" / target.name);
  return all;
}

Target find_target(const std::string& name) {
  std::string known;
  for (auto& target : targets()) {
    if (target.name == name) return target;
    known += " " + target.name;
  }
  throw InvalidInput{"no fuzz target is called '" + name + "'; there are:" + known};
}

std::string drive(const Target& target, const std::string& bytes) {
  try {
    return target.problem(target, bytes);
  } catch (const std::exception& error) {
    return std::string{"threw what is no InvalidInput: "} + error.what();
  }
}

}  // namespace moecal::fuzz
