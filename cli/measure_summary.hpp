// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <map>
#include <set>
#include <string>

namespace moecal::cli {

/// How many points of a run were measured, skipped and failed, by the last word on each.
struct RunSummary {
  int points = 0;
  int measured = 0;
  int failed = 0;
  int not_begun = 0;      // of the skipped: the time limit was over
  int given_up = 0;       // of the failed: they ended the program that measured them
  int throttled = 0;      // of the measured: half of their samples or more
  int power_limited = 0;  // of the throttled: by the device's own limit
  int missing = 0;        // points that were planned and are recorded nowhere
  int unknown = 0;        // programs, of whose points nothing is known
};
/// Keys of the points that a program was to record.
struct ProgramPoints {
  std::set<std::string> keys{};
  std::string why_unknown{};  // empty: they are known
};
/// By the program's name.
using PlannedPoints = std::map<std::string, ProgramPoints>;
/// Keys of the points that the run skipped, for its time was over.
[[nodiscard]] std::set<std::string> not_begun(const std::string& path, const std::string& run_id);

/// Prints the run's points in `path` by operation, with the reasons of those that are not measured,
/// how many the device was held back in, and how many of the planned ones it lacks. A file that
/// does not exist holds none.
[[nodiscard]] RunSummary print_run_summary(const std::string& path, const std::string& run_id,
                                           const PlannedPoints& planned);

}  // namespace moecal::cli
