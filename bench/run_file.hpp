// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/ended_points.hpp"
#include "core/observation.hpp"
#include "core/point_note.hpp"

namespace moecal::bench {

/// The JSON Lines file of a run, as its writer sees it: what it already holds of this run, and
/// appending to it. A point is on disk, whole, when append() returns.
class RunFile {
 public:
  /// Opens or makes the file and reads what an earlier process with this run_id left.
  /// @throws Error if it cannot be written, InvalidInput if it holds something else.
  RunFile(const std::string& path, std::string run_id);

  /// Whether this run measured or skipped the point (Observation::key()), or gave it up; other
  /// failed points, and those that were not begun within its time limit, are tried again.
  [[nodiscard]] bool done(const std::string& key) const {
    return done_.count(key) > 0 || given_up(key);
  }
  /// Whether the point failed in this run, and no launch ended there.
  [[nodiscard]] bool failed(const std::string& key) const { return failed_.count(key) > 0; }
  /// Whether launches ended inside this point: another try would only end one more.
  [[nodiscard]] bool given_up(const std::string& key) const { return ended_.given_up(key); }
  /// What the file holds of this run under these keys, in the file's order. @throws InvalidInput
  [[nodiscard]] std::vector<Observation> read_back(const std::set<std::string>& keys) const;
  /// Points of this run that are measured or skipped.
  [[nodiscard]] std::size_t count() const { return done_.size(); }
  /// Those of them that are measured.
  [[nodiscard]] std::size_t measured() const { return measured_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Names where the run is measured, once per file. @throws Error
  void write_environment(const Environment& environment);
  /// Notes, beside the file, the point that is measured next. A process that dies inside it leaves
  /// the note, and the next one records the point as failed. @throws Error
  void begin(const Observation& observation) const { note_.write(observation); }
  /// The point that was begun is not measured after all.
  void forget() const { note_.remove(); }
  /// Ends what was begun; of a point that is not begun it need not be on disk. @throws Error (a
  /// full disk); the lines before it stay whole.
  void append(const Observation& observation);

 private:
  void record_left_note();
  void count(const Observation& observation);

  std::string path_;
  std::string run_id_;
  LineAppender appender_;
  PointNote note_;
  std::set<std::string> done_;
  std::set<std::string> failed_;
  std::size_t measured_ = 0;
  EndedPoints ended_;
  std::set<std::string> environments_;
};

}  // namespace moecal::bench
