// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "core/observation.hpp"

namespace moecal {

/// The file beside a run's file that names the point under way. A process that dies inside a point
/// leaves it, and whoever comes next records the point as failed (core/ended_points.hpp).
class PointNote {
 public:
  explicit PointNote(const std::string& run_file) : path_{run_file + ".measuring"} {}
  [[nodiscard]] const std::string& path() const { return path_; }
  /// @throws Error
  void write(Observation planned) const;
  /// The point is recorded, or not measured after all.
  void remove() const;
  /// What was left, as failed: empty, or one observation. A note that cannot be read was cut short
  /// itself, so nothing was measured after it either.
  [[nodiscard]] std::vector<Observation> left() const;

 private:
  std::string path_;
};

}  // namespace moecal
