// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/observation.hpp"

namespace moecal::bench {

/// Where a rank of the launch runs.
struct RankPlace {
  std::string host;
  int process = 0;  // its id
  int device = 0;
  std::string pci_bus_id;  // as the driver says it, "0000:1b:00.0"; empty on a CPU
};

/// A run of collectives as nccl-tests prints it, column for column, so that scripts that read its
/// output read ours: one run per operation, implementation, type and way to group the launch, rows
/// by size. An implementation "x_in_place" fills the in-place half of x's rows; a half that was not
/// measured has times and rates `nan` and #wrong `N/A`. Times are medians of the slowest rank's.
/// A point whose result was wrong keeps its row, with a #wrong of 1 (wrong elements are not counted
/// one by one), and the run ends with "FAILED". `devices`: what all ranks measure on, as its driver
/// names it. `ranks`: of the whole launch. Observations that are no collective with a size in
/// bytes, and those that have no time, become comments.
[[nodiscard]] std::string to_nccl_tests(std::span<const Observation> observations,
                                        std::span<const RankPlace> ranks,
                                        const std::string& devices);

}  // namespace moecal::bench
