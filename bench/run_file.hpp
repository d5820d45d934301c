// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <set>
#include <string>

#include "core/observation.hpp"

namespace moecal::bench {

/// The JSON Lines file of a run, as its writer sees it: what it already holds of this run, and
/// appending to it. A point is on disk, whole, when append() returns.
class RunFile {
 public:
  /// Opens or makes the file and reads what an earlier process with this run_id left.
  /// @throws Error if it cannot be written, InvalidInput if it holds something else.
  RunFile(const std::string& path, std::string run_id);

  /// Whether this run measured or skipped the point (Observation::key()); failed points are tried
  /// again.
  [[nodiscard]] bool done(const std::string& key) const { return done_.count(key) > 0; }
  /// Points of this run that are measured or skipped.
  [[nodiscard]] std::size_t count() const { return done_.size(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Names where the run is measured, once per file. @throws Error
  void write_environment(const Environment& environment);
  /// @throws Error (a full disk); the lines before it stay whole.
  void append(const Observation& observation);

 private:
  std::string path_;
  std::string run_id_;
  LineAppender appender_;
  std::set<std::string> done_;
  std::set<std::string> environments_;
};

}  // namespace moecal::bench
