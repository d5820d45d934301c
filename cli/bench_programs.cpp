// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_programs.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cli/child_process.hpp"
#include "core/json_reader.hpp"

namespace moecal::cli {
namespace {

BenchProgram describe(const std::filesystem::path& path) {
  BenchProgram program{path.string(), path.filename().string(), {}, {}, 0};
  const FileLine where{program.path + " --list", 0};
  const auto json = parse_json(output_of({{program.path, "--list"}, {}}), where);
  const JsonReader reader{json, where};
  program.cuda_devices = reader.require<int>("cuda_devices");
  for (const auto& operation : reader.objects("operations")) {
    program.operations.push_back(operation.require<std::string>("operation"));
    for (const auto& implementation : operation.objects("implementations"))
      program.implementations.push_back(
          {implementation.require<std::string>("backend"),
           implementation.optional("of_host", false),
           implementation.require<std::map<std::string, int>>("cases")});
  }
  return program;
}

bool is_program(const std::filesystem::path& path) {
  return path.filename().string().rfind("bench_", 0) == 0 && !path.has_extension() &&
         access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path);
}

}  // namespace

bool BenchProgram::has_backend(const std::string& backend) const {
  return std::any_of(implementations.begin(), implementations.end(),
                     [&](const auto& implementation) { return implementation.backend == backend; });
}

bool BenchProgram::measures_host() const {
  return std::any_of(implementations.begin(), implementations.end(),
                     [](const auto& implementation) { return implementation.of_host; });
}

bool BenchProgram::has_operation(const std::string& operation) const {
  return std::find(operations.begin(), operations.end(), operation) != operations.end();
}

std::vector<BenchProgram> find_programs(const std::string& folder) {
  const std::filesystem::path place =
      folder.empty() ? std::filesystem::read_symlink("/proc/self/exe").parent_path()
                     : std::filesystem::path{folder};
  std::vector<std::filesystem::path> paths;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator{place, missing})
    if (is_program(entry.path())) paths.push_back(entry.path());
  if (paths.empty())
    throw InvalidInput{"there are no benchmark programs (bench_*) in '" + place.string() +
                       "': build them, or name their folder with --programs-dir"};
  std::sort(paths.begin(), paths.end());
  std::vector<BenchProgram> programs;
  for (const auto& path : paths) programs.push_back(describe(path));
  return programs;
}

}  // namespace moecal::cli
