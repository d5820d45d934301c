// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "interchange/printed_number.hpp"

/// The text of nccl-tests and rccl-tests taken apart; what it means is import_nccl_tests' matter.
namespace moecal::interchange {

/// One of a row's two measurements.
struct NcclTiming {
  PrintedNumber microseconds;
  PrintedNumber algbw;  // GB/s, decimal
  PrintedNumber busbw;  // GB/s, decimal
  std::string wrong;    // as printed: a count, "N/A", an error like 4e-07 (old), or empty
  std::string problem;  // why this measurement is none; empty if it is one
  std::vector<double> samples_us;  // each iteration by itself, where that was recorded
  int skipped = 0;                 // iterations before those that do not count
  bool absent = false;             // this half of the row says that it was not measured
};

struct NcclRow {
  int line = 0;
  std::string place;  // "results[3]: ", where the line does not say which row this is
  std::int64_t bytes = 0;
  std::optional<double> count;  // elements of a rank's part, or of all
  std::string type;
  std::string redop;                // empty where the column is missing or blank
  std::vector<NcclTiming> timings;  // out-of-place, then in-place
  std::optional<int> iterations;    // where the row says how many it took
  std::string problem;              // why the row cannot be used; empty if it can
};

/// "#  Rank  0 Group  0 Pid 1 on HOST device  3 [0000:8f:00] NVIDIA B200"
struct NcclDevice {
  int rank = 0, group = 0, pid = 0;
  std::string host;  // empty where the line has none
  int device = 0;
  std::string name;
};

/// One run: what was said since the last row of the run before, and its rows.
struct NcclTable {
  std::vector<NcclDevice> devices;
  std::vector<NcclRow> rows;
  std::set<std::string> named;    // collectives named before the rows (foreign spelling)
  std::string command_operation;  // the last one named by a command line
  std::string header_operation;   // of "# Collective test starting: X"
  std::string library_name = "nccl";
  std::string library_version;
  std::optional<int> threads, gpus_per_thread, warmup, iterations, graph_launches;
  std::optional<int> launched_processes, launched_nodes;  // of an mpirun or srun line
  std::map<std::string, std::string> settings;            // NCCL_* variables
  bool cpu_time = false;                                  // option -C: not the collective's time
  bool both_halves = false;  // the columns are of an out-of-place and an in-place measurement
};

/// A half of a row that says that it was not measured.
[[nodiscard]] NcclTiming absent_timing();

/// The runs in the text that have rows. Launcher prefixes, interleaved output, rows split over
/// lines and unknown text between are taken in stride.
[[nodiscard]] std::vector<NcclTable> read_nccl_tests_text(const std::string& text);

/// Size over time in GB/s, as far as the digits printed can say.
struct RateRange {
  double least = 0, most = 0;
};
[[nodiscard]] RateRange rates_of(std::int64_t bytes, const PrintedNumber& microseconds);

/// True if the printed rate is size over time, as far as the digits printed can say.
[[nodiscard]] bool rate_agrees(std::int64_t bytes, const NcclTiming& timing);

/// The fields after the type, read as the layout in which the rates agree best with the size: with
/// or without a root, one measurement or two, with or without a #wrong column. For tests.
void interpret_nccl_fields(const std::vector<std::string>& fields, NcclRow& row);

}  // namespace moecal::interchange
