// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "cli/bench_programs.hpp"
#include "cli/child_process.hpp"
#include "cli/measure_options.hpp"

/// How `moecal measure` starts the benchmark programs.
namespace moecal::cli {

/// Seconds of work before the first point of a run on a GPU: its clocks swing for about 3 s, for
/// which suite quick, that shows that all works, has no time.
[[nodiscard]] double first_clock_warm_up(const MeasureOptions& options);
/// The same of each program after the first: clocks fall again only after seconds of nothing.
inline constexpr double kLaterClockWarmUp = 0.25;

/// Whether the program measures a GPU.
[[nodiscard]] bool on_cuda(const BenchProgram& program, const MeasureOptions& options);

/// How many ranks a program is started with on this machine, or why it is not started.
struct Launch {
  int ranks = 0;
  std::string why_not;  // a sentence's end; empty if it is started
};
/// @throws InvalidInput if more ranks are asked for than there are CUDA devices.
[[nodiscard]] Launch plan_launch(const BenchProgram& program, const MeasureOptions& options);

[[nodiscard]] bool are_built_with_cuda(const std::vector<BenchProgram>& programs);
/// Why these programs can measure no GPU here, a sentence without its end; empty if one can.
[[nodiscard]] std::string why_no_cuda(const std::vector<BenchProgram>& programs);

/// @throws InvalidInput if no program can measure the device that is asked for.
void check_device(const std::vector<BenchProgram>& programs, const MeasureOptions& options);

/// The command that measures on `ranks` ranks.
[[nodiscard]] Command command_for(const BenchProgram& program, const MeasureOptions& options,
                                  int ranks);
/// The words that resume the run.
[[nodiscard]] std::string resume_command(const MeasureOptions& options);

}  // namespace moecal::cli
