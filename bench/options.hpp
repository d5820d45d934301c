// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/units.hpp"

namespace moecal::bench {

/// What the command line of a benchmark program says.
struct Options {
  std::string suite = "quick";              // quick | planner | full | path of a suite file
  std::string out;                          // JSON Lines file; empty: nothing is recorded
  std::string run_id;                       // empty: made from the time
  std::string plan;                         // file that the points are named in; empty: none
  bool keep_failed = false;                 // points that failed in this run are not tried again
  std::string device = "auto";              // auto | cpu | cuda
  std::string card;                         // empty: from the device's name
  std::string implementation;               // empty: all of them
  std::optional<std::uint64_t> order_seed;  // empty: from the run id
  std::optional<int> timeout_s;             // empty: $MOECAL_TIMEOUT_S, else 120
  std::string format = "table";             // table | nccl-tests: what is printed of the results
  std::optional<Seconds> time_limit;        // of the program, from its start; empty: none
  Seconds clock_warm_up{3};                 // of a GPU, before the first trial is made
  bool energy = false;                      // measure it too
  bool list = false;
  std::optional<int> cuda_devices;  // that --list tells of; empty: it counts them
  bool help = false;
  bool quiet = false;
  // Google Benchmark's own options that moecal has to know too.
  std::optional<Seconds> min_time;     // --benchmark_min_time: the sampler's budget per point
  int repetitions = 1;                 // --benchmark_repetitions
  std::vector<std::string> remaining;  // program name, then all that is not moecal's
};

/// @throws InvalidInput naming the option.
[[nodiscard]] Options parse_options(const std::string& program, int argc, char** argv);
/// @throws InvalidInput if Google Benchmark is to shuffle the points: each rank would measure them
/// in an order of its own.
void refuse_own_order(const Options& options);
/// The text of --help up to Google Benchmark's own part.
[[nodiscard]] std::string help_text(const std::string& program);

}  // namespace moecal::bench
