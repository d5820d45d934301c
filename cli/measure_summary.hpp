// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::cli {

/// How many points of a run were measured, skipped and failed, by the last word on each.
struct RunSummary {
  int points = 0;
  int measured = 0;
  int failed = 0;
  int not_begun = 0;  // of the skipped: the time limit was over
};
/// Prints the run's points in `path` by operation, with the reasons of those that are not measured.
/// A file that does not exist holds none.
[[nodiscard]] RunSummary print_run_summary(const std::string& path, const std::string& run_id);

}  // namespace moecal::cli
