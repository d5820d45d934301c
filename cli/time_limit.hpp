// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include "cli/bench_programs.hpp"
#include "cli/measure_options.hpp"

namespace moecal::cli {

/// How long a program warms a GPU's clocks: the first of a run longer.
enum class ClockWarmUp { none, first, later };

/// What a program takes before its first point.
[[nodiscard]] double seconds_to_start(ClockWarmUp warm_up);

/// The seconds that a run may take, shared among the programs it starts one after the other by what
/// their points take, about, after what each takes to start. What a program leaves of its share is
/// the others'.
///
/// Unless it is asked for, the limit is that of a named suite on a GPU (20, 120 and 600 s for
/// quick, planner and full), and of the programs that run on one device: a launch of many ranks
/// has none, nor has a CPU, a file of cases or a run that measures energy.
class TimeLimit {
 public:
  TimeLimit(const std::vector<BenchProgram>& programs, const MeasureOptions& options);
  /// Seconds that programs[number] may take, if it starts so many seconds after the first; empty:
  /// it may take as long as it needs.
  [[nodiscard]] std::optional<double> of(std::size_t number, double elapsed) const;

 private:
  std::optional<double> seconds_;
  // Of each program that has a share, else 0.
  std::vector<double> cost_;      // seconds of its points, about
  std::vector<double> to_start_;  // seconds
};

}  // namespace moecal::cli
