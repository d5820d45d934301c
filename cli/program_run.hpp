// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <set>
#include <string>

#include "cli/bench_programs.hpp"
#include "cli/measure_options.hpp"

namespace moecal::cli {

/// What came of one program of a run, however often it was started.
struct ProgramEnd {
  int status = 0;                    // exit status of its last start
  bool hung = false;                 // it was ended for its silence
  double waited = 0;                 // seconds, for one that hung, past its time limit
  bool is_stuck = false;             // it hung before its first point, or could not even be ended
  std::optional<double> to_start{};  // seconds of its first start until its points were planned
  std::set<std::string> planned{};   // keys of the points that it was to record
  std::string why_unplanned{};       // why those are not known; empty: they are
};

/// Runs a program on `ranks` ranks. One rank is started again, within its time limit, for the rest
/// of its points where it ended inside one: that one is recorded as failed and not begun again.
/// A program that gives no sign of life for MeasureOptions::silence past its time limit, without
/// one for ten times as long, is ended, as one that ended inside its point.
[[nodiscard]] ProgramEnd run_to_the_end(const BenchProgram& program, const MeasureOptions& options,
                                        int ranks);

}  // namespace moecal::cli
