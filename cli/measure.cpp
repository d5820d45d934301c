// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "cli/bench_programs.hpp"
#include "cli/child_process.hpp"
#include "cli/verbs.hpp"
#include "core/json_reader.hpp"
#include "core/observation.hpp"

namespace moecal::cli {
namespace {

struct MeasureOptions {
  std::string suite = "quick";
  std::string out = "observations.jsonl";
  std::string device = "auto";
  int ranks = 0;  // 0: the default
  std::string run_id;
  std::string card;
  std::string only;
  std::string programs_dir;
  double seconds_per_point = 0;  // 0: the suite's
  bool verbose = false;
};

std::string run_id_from_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "run-%Y%m%dT%H%M%SZ", &parts);
  return text.data();
}

// ---- which programs
// ------------------------------------------------------------------------------

std::set<std::string> operations_of(const std::vector<BenchProgram>& programs) {
  std::set<std::string> operations;
  for (const auto& program : programs)
    operations.insert(program.operations.begin(), program.operations.end());
  return operations;
}

void require_operation(const std::set<std::string>& known, const std::string& operation,
                       const std::string& where) {
  if (known.count(operation) > 0) return;
  std::string names;
  for (const auto& name : known) names += " " + name;
  throw InvalidInput{where + ": no program here measures '" + operation + "'; there are:" + names};
}

// Each program takes the lines of its own operations from a suite file; a line that none takes must
// not be lost in silence.
void check_suite_file(const std::string& suite, const std::set<std::string>& known) {
  if (suite == "quick" || suite == "planner" || suite == "full") return;
  std::ifstream stream{suite};
  if (!stream)
    throw InvalidInput{"--suite " + suite +
                       ": neither quick, planner or full nor a file that can be read"};
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.empty()) continue;
    const FileLine where{suite, number};
    const auto json = parse_json(line, where);
    require_operation(known, JsonReader{json, where}.require<std::string>("operation"),
                      where.str());
  }
}

// ---- how a program is started
// --------------------------------------------------------------------

bool on_cuda(const BenchProgram& program, const MeasureOptions& options) {
  return options.device == "cuda" || (options.device == "auto" && program.cuda_devices > 0);
}

// Ranks a program is started with on this machine; 0 if it has nothing to measure there.
int ranks_for(const BenchProgram& program, const MeasureOptions& options) {
  const bool cuda = on_cuda(program, options);
  if (program.has_backend(cuda ? "nccl" : "mpi")) {
    const int most = cuda ? program.cuda_devices : 4;
    const int ranks = options.ranks > 0 ? options.ranks : most;
    return ranks >= 2 ? ranks : 0;
  }
  return program.has_backend(cuda ? "cuda" : "cpu") ? 1 : 0;
}

std::vector<std::string> arguments_for(const BenchProgram& program, const MeasureOptions& options) {
  std::vector<std::string> arguments{program.path,   "--suite",   options.suite,
                                     "--out",        options.out, "--run-id",
                                     options.run_id, "--device",  options.device};
  if (!options.verbose) arguments.push_back("--quiet");
  if (!options.card.empty()) arguments.insert(arguments.end(), {"--card", options.card});
  if (!options.only.empty()) arguments.push_back("--benchmark_filter=^" + options.only + "/");
  if (options.seconds_per_point > 0) {
    std::ostringstream flag;
    flag << "--benchmark_min_time=" << options.seconds_per_point;
    arguments.push_back(flag.str());
  }
  return arguments;
}

Command command_for(const BenchProgram& program, const MeasureOptions& options, int ranks) {
  Command command{arguments_for(program, options), {}};
  if (ranks == 1) return command;
  command.arguments.insert(command.arguments.begin(), {"mpirun", "-n", std::to_string(ranks)});
  if (geteuid() == 0)
    command.environment = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                           {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}};
  // More ranks than cores: waiting ranks have to yield, or every message waits for a time slice.
  if (ranks > static_cast<int>(std::thread::hardware_concurrency()))
    command.environment.insert(command.environment.end(),
                               {{"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                                {"OMPI_MCA_mpi_yield_when_idle", "1"},
                                {"OMPI_MCA_hwloc_base_binding_policy", "none"}});
  return command;
}

std::string resume_command(const MeasureOptions& options) {
  std::vector<std::string> words{"moecal", "measure",   "--suite",  options.suite,
                                 "--out",  options.out, "--run-id", options.run_id};
  if (options.device != "auto") words.insert(words.end(), {"--device", options.device});
  if (options.ranks > 0) words.insert(words.end(), {"--ranks", std::to_string(options.ranks)});
  if (!options.card.empty()) words.insert(words.end(), {"--card", options.card});
  if (!options.only.empty()) words.insert(words.end(), {"--only", options.only});
  if (!options.programs_dir.empty())
    words.insert(words.end(), {"--programs-dir", options.programs_dir});
  return typed(words);
}

// ---- running and summing up
// ----------------------------------------------------------------------

struct Sum {
  std::array<int, 3> outcomes{};          // measured, skipped, failed
  std::map<std::string, int> reasons[3];  // of each outcome
};

// The last word on each point: a failed one may have been measured by a later try.
std::map<std::string, Sum> sum_up(const MeasureOptions& options) {
  std::map<std::string, Observation> last;
  for (auto& observation : read_observations(options.out).observations)
    if (observation.run_id == options.run_id) last[observation.key()] = std::move(observation);
  std::map<std::string, Sum> sums;
  for (const auto& [key, observation] : last) {
    auto& sum = sums[observation.operation + " (" + observation.implementation + ")"];
    const auto outcome = static_cast<std::size_t>(observation.outcome);
    ++sum.outcomes[outcome];
    if (!observation.reason.empty()) ++sum.reasons[outcome][observation.reason];
  }
  return sums;
}

void print_reasons(const std::string& who, const char* what,
                   const std::map<std::string, int>& reasons) {
  for (const auto& [reason, count] : reasons)
    std::cout << what << " " << who << " x" << count << ": " << reason << "\n";
}

// Prints the table. Returns how many points failed.
int print_sums(const std::map<std::string, Sum>& sums) {
  std::cout << std::left << std::setw(36) << "operation (implementation)" << std::right
            << std::setw(10) << "measured" << std::setw(10) << "skipped" << std::setw(10)
            << "failed"
            << "\n";
  int failed = 0;
  for (const auto& [name, sum] : sums) {
    std::cout << std::left << std::setw(36) << name << std::right;
    for (const int count : sum.outcomes) std::cout << std::setw(10) << count;
    std::cout << "\n";
    failed += sum.outcomes[2];
  }
  for (const auto& [name, sum] : sums) {
    print_reasons(name, "skipped", sum.reasons[1]);
    print_reasons(name, "failed", sum.reasons[2]);
  }
  return failed;
}

// Returns the program's exit status; 0 if it has nothing to do here.
int run_program(const BenchProgram& program, const MeasureOptions& options) {
  if (!options.only.empty() && !program.has_operation(options.only)) return 0;
  const int ranks = ranks_for(program, options);
  if (ranks == 0) {
    std::cout << program.name << ": nothing to measure on this device with these ranks\n";
    return 0;
  }
  std::cout << program.name << " on " << ranks << (ranks == 1 ? " rank" : " ranks") << "\n"
            << std::flush;
  const int status = run(command_for(program, options, ranks));
  if (status > 1 && !stop_was_asked())
    std::cout << program.name << " ended with exit status " << status << "\n";
  return status;
}

int run_all(const std::vector<BenchProgram>& programs, const MeasureOptions& options) {
  int worst = 0;
  for (const auto& program : programs) {
    const int status = run_program(program, options);
    if (stop_was_asked()) return 130;
    worst = std::max(worst, status);
  }
  return worst;
}

int conclude(const MeasureOptions& options, int status) {
  std::error_code missing;
  const auto sums = std::filesystem::exists(options.out, missing) ? sum_up(options)
                                                                  : std::map<std::string, Sum>{};
  std::cout << "\n";
  const int failed = print_sums(sums);
  if (status == 130) std::cout << "stopped on request; what is listed above is on disk\n";
  if (status != 0) std::cout << "to go on: " << resume_command(options) << "\n";
  std::cout << "run " << options.run_id << " in " << options.out << "\n";
  if (status == 0 && sums.empty()) throw Error{"nothing was measured"};
  if (status == 0 && failed > 0) return 1;
  return status == 130 || status == 2 ? status : std::min(status, 1);
}

int measure(MeasureOptions options) {
  const auto programs = find_programs(options.programs_dir);
  const auto known = operations_of(programs);
  check_suite_file(options.suite, known);
  if (!options.only.empty()) require_operation(known, options.only, "--only");
  if (options.run_id.empty()) options.run_id = run_id_from_time();
  return conclude(options, run_all(programs, options));
}

void add_options(CLI::App& verb, MeasureOptions& options) {
  verb.add_option(
          "--suite", options.suite,
          "Which points: quick (about a minute), planner (every size the planning documents "
          "need), full, or a file of cases (JSON Lines)")
      ->capture_default_str();
  verb.add_option("--out", options.out, "Append the observations to this JSON Lines file")
      ->capture_default_str();
  verb.add_option("--device", options.device,
                  "What to measure: auto (the GPUs if there are any, else the CPU), cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  verb.add_option("--ranks", options.ranks,
                  "Ranks of the collectives (default: one per GPU; 4 on a CPU)")
      ->check(CLI::Range(2, 4096));
  verb.add_option(
      "--run-id", options.run_id,
      "Name of the run; the same name and file resume it (default: made from the time)");
  verb.add_option("--card", options.card,
                  "Name of the card, where the device's own name is not known to moecal");
  verb.add_option("--only", options.only, "Measure only this operation, e.g. expert_gemm");
  verb.add_option("--seconds-per-point", options.seconds_per_point,
                  "Longest sampling of one point (default: the suite's)")
      ->check(CLI::PositiveNumber);
  verb.add_option("--programs-dir", options.programs_dir,
                  "Folder of the benchmark programs (default: where moecal is)");
  verb.add_flag("--verbose", options.verbose, "Show the programs' own tables of results");
}

}  // namespace

void add_measure(CLI::App& app) {
  auto options = std::make_shared<MeasureOptions>();
  auto* verb = app.add_subcommand(
      "measure", "Measure this machine: run the benchmark programs and record every sample");
  add_options(*verb, *options);
  verb->footer(
      "Kernels run alone; collectives run under mpirun. Every point ends as measured, skipped or\n"
      "failed, each with its reason, in the file of --out. A run that was cut is resumed by "
      "giving\n"
      "its --out and --run-id again: what is measured is not measured twice.\n"
      "Exit status: 0 done, 1 a point or a program failed, 2 the input is wrong, 130 interrupted.");
  verb->callback([options] {
    if (const int status = measure(*options); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace moecal::cli
