// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_programs.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <optional>
#include <sstream>

#include "cli/child_process.hpp"
#include "core/json_reader.hpp"

namespace moecal::cli {
namespace {

struct CannotStart : Error {
  using Error::Error;
};
struct Hangs : Error {
  using Error::Error;
};

constexpr double kLongestList = 300;  // seconds: CUDA may take tens to count many GPUs

// The last line that it said, without its own name before it.
std::string last_words(const Finished& finished, const std::string& path) {
  std::string last, line;
  for (std::istringstream lines{finished.errors}; std::getline(lines, line);)
    if (!line.empty()) last = line;
  if (last.rfind(path + ": ", 0) == 0) last.erase(0, path.size() + 2);
  return last.empty() ? "it said nothing" : last;
}

// What the program prints, whatever else stands in its way.
std::string list_of(const BenchProgram& program, const std::string& suite,
                    std::optional<int> cuda_devices) {
  Command command{{program.path, "--list", "--suite", suite}, {}};
  if (cuda_devices)
    command.arguments.insert(command.arguments.end(),
                             {"--cuda-devices", std::to_string(*cuda_devices)});
  const auto finished = run_and_read(command, kLongestList);
  if (finished.hung)
    throw Hangs{program.name + " --list gave no answer for " +
                std::to_string(std::lround(kLongestList)) +
                " s: does the driver of the GPUs answer (nvidia-smi)?"};
  constexpr int kNotStarted = 127;  // of the loader, a shell and ourselves
  if (finished.status == kNotStarted)
    throw CannotStart{"it cannot start: " + last_words(finished, program.path)};
  if (finished.status != 0)
    throw Error{"its --list failed with exit status " + std::to_string(finished.status) + ": " +
                last_words(finished, program.path)};
  std::cerr << finished.errors;
  return finished.output;
}

// Counting devices takes CUDA's driver up to seconds: one program does it for all of them.
BenchProgram describe(const std::filesystem::path& path, const std::string& suite,
                      std::optional<int> cuda_devices) {
  const BenchProgram program{path.string(), path.filename().string(), {}, {}, 0};
  return described(program, list_of(program, suite, cuda_devices));
}

bool is_program(const std::filesystem::path& path) {
  return path.filename().string().rfind("bench_", 0) == 0 && !path.has_extension() &&
         access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path);
}

}  // namespace

BenchProgram described(BenchProgram program, const std::string& list) {
  const FileLine where{program.path + " --list", 0};
  const auto json = parse_json(list, where);
  const JsonReader reader{json, where};
  program.cuda_devices = reader.require<int>("cuda_devices");
  program.why_no_cuda = reader.optional("why_no_cuda", std::string{});
  for (const auto& operation : reader.objects("operations")) {
    program.operations.push_back(operation.require<std::string>("operation"));
    for (const auto& implementation : operation.objects("implementations"))
      program.implementations.push_back(
          {implementation.require<std::string>("backend"),
           implementation.optional("of_host", false),
           implementation.require<std::map<std::string, double>>("seconds")});
  }
  return program;
}

bool BenchProgram::has_backend(const std::string& backend) const {
  return std::any_of(implementations.begin(), implementations.end(),
                     [&](const auto& implementation) { return implementation.backend == backend; });
}

bool BenchProgram::measures_host() const {
  return std::any_of(implementations.begin(), implementations.end(),
                     [](const auto& implementation) { return implementation.of_host; });
}

FoundPrograms find_programs(const std::string& folder, const std::string& suite) {
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
  FoundPrograms found;
  std::optional<int> cuda_devices;
  for (const auto& path : paths) {
    try {
      const auto started = std::chrono::steady_clock::now();
      found.usable.push_back(describe(path, suite, cuda_devices));
      if (found.usable.size() == 1)
        found.to_start =
            std::chrono::duration<double>{std::chrono::steady_clock::now() - started}.count();
      cuda_devices = found.usable.back().cuda_devices;
      found.usable.back().why_no_cuda = found.usable.front().why_no_cuda;
    } catch (const Hangs&) {
      throw;  // the next would hang as well
    } catch (const CannotStart& error) {
      found.left_out.push_back({path.filename().string(), error.what()});
    } catch (const Error& error) {
      found.left_out.push_back({path.filename().string(), error.what(), true});
    }
  }
  if (found.usable.empty())
    throw Error{"no benchmark program in '" + place.string() + "' can be used; " +
                found.left_out.front().name + ": " + found.left_out.front().why};
  return found;
}

}  // namespace moecal::cli
