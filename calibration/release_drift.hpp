// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "calibration/series.hpp"

namespace moecal::calibration {

/// How an operation's time changed from one release of its library to the next that was measured.
struct ReleaseDrift {
  std::string operation, machine, implementation;
  std::string from, to;                // releases, the older first
  double median = 0, p5 = 0, p95 = 0;  // of seconds in `to` over seconds in `from`
  int points = 0;                      // that were measured with both
};

/// Series that differ in nothing but the release are compared point by point. Releases stay models
/// of their own: nothing is averaged over them. In the order of operation, machine, implementation
/// and release; operation "all" pools those of one machine.
[[nodiscard]] std::vector<ReleaseDrift> release_drift(std::span<const Series> series);

}  // namespace moecal::calibration
