// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measure_launch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

constexpr int kRanksOnCpu = 4;

bool runs_over_ranks(const BenchProgram& program) {
  return program.has_backend("mpi") || program.has_backend("nccl");
}

std::string count_of(int count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

Launch plan_collective(const BenchProgram& program, const MeasureOptions& options) {
  const bool cuda = on_cuda(program, options);
  if (!program.has_backend(cuda ? "nccl" : "mpi"))
    return {0, cuda ? "it was built without NCCL" : "it was built without MPI"};
  if (cuda && options.ranks > program.cuda_devices)
    throw InvalidInput{"--ranks " + std::to_string(options.ranks) + ": this machine has " +
                       count_of(program.cuda_devices, "CUDA device") +
                       ", and each rank needs one of its own"};
  const int most = cuda ? program.cuda_devices : kRanksOnCpu;
  const int ranks = options.ranks > 0 ? options.ranks : most;
  if (ranks < 2) return {0, "it needs two CUDA devices or more; there is " + std::to_string(ranks)};
  return {ranks, ""};
}

// As typed by a person, and the same to the last digit wherever it is passed on: it is part of what
// a point is resumed by.
std::string number_text(double number) {
  std::ostringstream text;
  text << number;
  return text.str();
}

// A GPU that falls out in the middle of a run must not leave the CPU to the programs that follow.
std::string device_for(const BenchProgram& program, const MeasureOptions& options) {
  return on_cuda(program, options) ? "cuda" : options.device;
}

double clock_warm_up(const MeasureOptions& options) {
  return options.clocks_are_warm ? kLaterClockWarmUp : first_clock_warm_up(options);
}

std::vector<std::string> arguments_for(const BenchProgram& program, const MeasureOptions& options) {
  std::vector<std::string> arguments{program.path,   "--suite",   options.suite,
                                     "--out",        options.out, "--run-id",
                                     options.run_id, "--device",  device_for(program, options)};
  if (!options.verbose) arguments.push_back("--quiet");
  if (!options.card.empty()) arguments.insert(arguments.end(), {"--card", options.card});
  if (!options.only.empty()) arguments.push_back("--benchmark_filter=^" + options.only + "/");
  if (options.seconds_per_point > 0)
    arguments.push_back("--benchmark_min_time=" + number_text(options.seconds_per_point));
  if (options.energy) arguments.push_back("--energy");
  if (options.time_limit)
    arguments.insert(arguments.end(), {"--time-limit", number_text(*options.time_limit)});
  if (on_cuda(program, options))
    arguments.insert(arguments.end(), {"--clock-warm-up", number_text(clock_warm_up(options))});
  return arguments;
}

}  // namespace

double first_clock_warm_up(const MeasureOptions& options) {
  return options.suite == "quick" ? 1.25 : 3;
}

bool on_cuda(const BenchProgram& program, const MeasureOptions& options) {
  return options.device == "cuda" || (options.device == "auto" && program.cuda_devices > 0);
}

Launch plan_launch(const BenchProgram& program, const MeasureOptions& options) {
  if (runs_over_ranks(program)) return plan_collective(program, options);
  const bool cuda = on_cuda(program, options);
  if (program.has_backend(cuda ? "cuda" : "cpu") || program.measures_host()) return {1, ""};
  return {0, std::string{"none of its operations runs on "} + (cuda ? "a CUDA device" : "a CPU")};
}

bool are_built_with_cuda(const std::vector<BenchProgram>& programs) {
  return std::any_of(programs.begin(), programs.end(), [](const auto& program) {
    return program.has_backend("cuda") || program.has_backend("nccl");
  });
}

std::string why_no_cuda(const std::vector<BenchProgram>& programs) {
  if (!are_built_with_cuda(programs))
    return "these programs were built without CUDA; build them with the CUDA toolkit, or measure "
           "the CPU with --device cpu";
  std::string why = "this machine shows no CUDA device";
  for (const auto& program : programs) {
    if (program.cuda_devices > 0) return "";
    if (!program.why_no_cuda.empty()) why = program.why_no_cuda;
  }
  return why;
}

void check_device(const std::vector<BenchProgram>& programs, const MeasureOptions& options) {
  if (options.device != "cuda") return;
  if (const auto why = why_no_cuda(programs); !why.empty())
    throw InvalidInput{"--device cuda: " + why};
}

Command command_for(const BenchProgram& program, const MeasureOptions& options, int ranks) {
  Command command{arguments_for(program, options), {}};
  if (ranks == 1) return command;
  // Without MPI the program makes its ranks itself.
  if (!program.has_backend("mpi")) {
    command.environment = {{"MOECAL_RANKS", std::to_string(ranks)}};
    return command;
  }
  command.arguments.insert(command.arguments.begin(), {"mpirun", "-n", std::to_string(ranks)});
  // What Open MPI calls slots need not be the threads that are seen here.
  // The ranks that are left when one ends get the time to say where they are.
  command.environment = {{"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                         {"OMPI_MCA_odls_base_sigkill_timeout", "2"}};
  if (geteuid() == 0)
    command.environment.insert(
        command.environment.end(),
        {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}});
  // More ranks than cores: waiting ranks have to yield, or every message waits for a time slice.
  if (ranks > static_cast<int>(std::thread::hardware_concurrency()))
    command.environment.insert(
        command.environment.end(),
        {{"OMPI_MCA_mpi_yield_when_idle", "1"}, {"OMPI_MCA_hwloc_base_binding_policy", "none"}});
  return command;
}

std::string resume_command(const MeasureOptions& options) {
  const char* script = std::getenv("MOECAL_COMMAND");  // that sets what the programs need
  std::vector<std::string> words{script != nullptr ? script : program_invocation_name};
  words.insert(words.end(), {"measure", "--suite", options.suite, "--out", options.out, "--run-id",
                             options.run_id});
  if (options.device != "auto") words.insert(words.end(), {"--device", options.device});
  if (options.ranks > 0) words.insert(words.end(), {"--ranks", std::to_string(options.ranks)});
  if (!options.card.empty()) words.insert(words.end(), {"--card", options.card});
  if (!options.only.empty()) words.insert(words.end(), {"--only", options.only});
  if (options.energy) words.push_back("--energy");
  if (options.seconds_per_point > 0)
    words.insert(words.end(), {"--seconds-per-point", number_text(options.seconds_per_point)});
  if (options.time_limit)
    words.insert(words.end(), {"--time-limit", number_text(*options.time_limit)});
  if (options.silence != MeasureOptions{}.silence)
    words.insert(words.end(), {"--silence", number_text(options.silence)});
  if (!options.programs_dir.empty())
    words.insert(words.end(), {"--programs-dir", options.programs_dir});
  return typed(words);
}

}  // namespace moecal::cli
