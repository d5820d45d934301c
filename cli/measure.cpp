// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <optional>
#include <set>

#include "cli/bench_programs.hpp"
#include "cli/measure_launch.hpp"
#include "cli/measure_run.hpp"
#include "cli/measure_summary.hpp"
#include "cli/open_gpus.hpp"
#include "cli/verbs.hpp"
#include "core/json_reader.hpp"

namespace moecal::cli {
namespace {

std::string run_id_from_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "run-%Y%m%dT%H%M%SZ", &parts);
  return text.data();
}

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

// What is to be measured: with --only one operation, with a suite file those of its lines. Each
// program takes the lines of its own operations; a line that none takes must not be lost in
// silence.
std::set<std::string> wanted_operations(const MeasureOptions& options,
                                        const std::set<std::string>& known) {
  if (!options.only.empty()) require_operation(known, options.only, "--only");
  auto wanted = options.only.empty() ? known : std::set{options.only};
  const auto& suite = options.suite;
  if (suite == "quick" || suite == "planner" || suite == "full") return wanted;
  std::ifstream stream{suite};
  if (!stream)
    throw InvalidInput{"--suite " + suite +
                       ": neither quick, planner or full nor a file that can be read"};
  std::set<std::string> listed;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.empty()) continue;
    const FileLine where{suite, number};
    const auto json = parse_json(line, where);
    const auto operation = JsonReader{json, where}.require<std::string>("operation");
    require_operation(known, operation, where.str());
    if (wanted.count(operation) > 0) listed.insert(operation);
  }
  if (listed.empty()) throw InvalidInput{"--suite " + suite + ": holds no case to measure"};
  return listed;
}

bool measures_any(const BenchProgram& program, const std::set<std::string>& wanted) {
  return std::any_of(program.operations.begin(), program.operations.end(),
                     [&](const auto& operation) { return wanted.count(operation) > 0; });
}

void print_left_out(const std::vector<UnusableProgram>& programs) {
  for (const auto& program : programs)
    std::cout << program.name << " is left out: " << program.why << "\n";
}

/// A GPU whose driver is too old would else go unnoticed.
void print_why_cpu(const std::vector<BenchProgram>& programs, const MeasureOptions& options) {
  if (options.device != "auto" || !are_built_with_cuda(programs)) return;
  if (const auto why = why_no_cuda(programs); !why.empty())
    std::cout << "the CPU is measured: " << why << "\n";
}

// What can be done about what is not measured.
void print_way_on(const MeasureOptions& options, const RunSummary& summary, bool something_left) {
  if (summary.given_up > 0)
    std::cout << summary.given_up << " of the failed points ended the program that measured them: "
              << "this run does not begin them again, one with a new --run-id does\n";
  if (something_left || summary.failed > summary.given_up || summary.not_begun > 0 ||
      summary.missing > 0 || summary.unknown > 0)
    std::cout << "to go on: " << resume_command(options) << "\n";
}

/// Whether the programs took nothing of it: then there is nothing to sum up or to go on with, and
/// they have said why.
bool was_refused(const MeasureOptions& options, const RunEnd& run) {
  return run.status == 2 && !std::filesystem::exists(options.out);
}

int conclude(const MeasureOptions& options, const std::vector<UnusableProgram>& left_out,
             const RunEnd& run) {
  if (was_refused(options, run)) return run.status;
  std::cout << "\n";
  const int status = run.status;
  const auto summary = print_run_summary(options.out, options.run_id, run.planned);
  print_left_out(left_out);
  if (status == 130) std::cout << "stopped on request; what is listed above is on disk\n";
  const bool unexplained = status > 1 || (status == 1 && summary.failed == 0);
  print_way_on(options, summary, unexplained || !left_out.empty());
  std::cout << "run " << options.run_id << " in " << options.out << "\n";
  if (status == 0 && summary.points + summary.unknown == 0) throw Error{"nothing was measured"};
  const bool broken = std::any_of(left_out.begin(), left_out.end(),
                                  [](const UnusableProgram& program) { return program.broken; });
  if (status == 0 && (summary.failed > 0 || summary.missing > 0 || broken)) return 1;
  if (status == 0 && summary.measured == 0) {
    std::cout << "nothing was measured: "
              << (summary.points > 0 ? "every point was skipped, for the reasons above\n"
                                     : "there was no time for it\n");
    return 3;
  }
  // Of a program that finds no GPU any more: the input was not wrong when the others began.
  const bool refused = status == 2 && summary.measured == 0;
  return status == 130 || refused ? status : std::min(status, 1);
}

FoundPrograms find_what_measures(const MeasureOptions& options) {
  auto found = find_programs(options.programs_dir, options.suite);
  print_left_out(found.left_out);
  const auto wanted = wanted_operations(options, operations_of(found.usable));
  std::erase_if(found.usable, [&](const auto& program) { return !measures_any(program, wanted); });
  check_device(found.usable, options);
  print_why_cpu(found.usable, options);
  return found;
}

int measure(MeasureOptions options) {
  const auto started = std::chrono::steady_clock::now();
  std::optional<OpenGpus> gpus;
  if (options.device != "cpu") gpus.emplace();
  const auto found = find_what_measures(options);
  if (options.run_id.empty()) options.run_id = run_id_from_time();
  return conclude(options, found.left_out, run_programs(found, options, started));
}

void add_options(CLI::App& verb, MeasureOptions& options) {
  verb.add_option("--suite", options.suite,
                  "Which points: quick (what shows that all works), planner (what the planning "
                  "documents need), full, or a file of cases (JSON Lines)")
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
  verb.add_option("--time-limit", options.time_limit,
                  "Seconds after which no point is begun any more; what is left is recorded as "
                  "skipped, and measured by the same command with the same --run-id. inf: none. "
                  "(default on one GPU: quick 20, planner 120, full 600; elsewhere, and with "
                  "--energy, none)")
      ->check(CLI::Range(0.0, std::numeric_limits<double>::infinity(), "NONNEGATIVE"));
  verb.add_option(
          "--silence", options.silence,
          "Seconds after which a program of one rank that is past its time limit and gives "
          "no sign of life is ended, and its point recorded as failed; without a time limit "
          "ten times as long")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_flag("--energy", options.energy,
                "Measure the energy of a launch too: a second more a point (GPUs)");
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
      "its --out and --run-id again: what is measured is not measured twice. A program that ends\n"
      "inside a point (a crash, a GPU that faults) is started again for the rest of its points.\n"
      "Exit status: 0 done, 1 a point or a program failed, 2 the input is wrong,\n"
      "3 every point was skipped, 130 interrupted.");
  verb->callback([options] {
    if (const int status = measure(*options); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace moecal::cli
