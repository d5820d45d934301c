// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

namespace moecal::cli {

/// What the command line of `moecal measure` says.
struct MeasureOptions {
  std::string suite = "quick";
  std::string out = "observations.jsonl";
  std::string device = "auto";
  int ranks = 0;  // 0: the default
  std::string run_id;
  std::string card;
  std::string only;
  std::string programs_dir;
  double seconds_per_point = 0;      // 0: the suite's
  std::optional<double> time_limit;  // seconds; of the run, and then of each program it starts
  double silence = 60;               // seconds that a program may be silent past its time limit
  bool energy = false;
  bool keep_failed = false;      // a program is started again for what was not begun
  bool clocks_are_warm = false;  // a program before this one has warmed the GPU's clocks
  bool verbose = false;
};

}  // namespace moecal::cli
