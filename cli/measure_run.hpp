// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>

#include "cli/bench_programs.hpp"
#include "cli/measure_options.hpp"
#include "cli/measure_summary.hpp"

namespace moecal::cli {

/// How the programs of a run ended.
struct RunEnd {
  int status = 0;  // the worst; 130: the user wants to stop
  PlannedPoints planned{};
};

/// Runs the programs one after the other, within the time limit of a run that began at `began`;
/// what some leave of their shares is for the points that others had no time for. A program whose
/// share is less than its start takes is not started, nor one on a GPU that gives no answer any
/// more.
[[nodiscard]] RunEnd run_programs(const FoundPrograms& found, const MeasureOptions& options,
                                  std::chrono::steady_clock::time_point began);

}  // namespace moecal::cli
