// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/point_note.hpp"

namespace moecal::cli {

/// Whether a run stands still: neither its file nor the note of the point under way changes.
class Standstill {
 public:
  Standstill(std::string run_file, double longest_seconds)
      : run_file_{std::move(run_file)}, note_{run_file_}, longest_{longest_seconds} {}

  /// To be asked again and again: whether it has lasted since the first time, or the last change,
  /// for longer than it may.
  [[nodiscard]] bool is_too_long();
  /// The note that stood still, if nothing was recorded since is_too_long() was last asked: a
  /// program that ends itself when it is asked to takes its note with it.
  [[nodiscard]] std::vector<Observation> note_of_the_silent() const;

 private:
  struct State {
    std::uintmax_t recorded = 0;  // bytes
    std::filesystem::file_time_type noted;
    bool operator==(const State&) const = default;
  };
  [[nodiscard]] State state() const;

  std::string run_file_;
  PointNote note_;
  std::chrono::duration<double> longest_;
  bool asked_ = false;
  State last_;
  std::chrono::steady_clock::time_point since_;
  std::vector<Observation> noted_;
};

}  // namespace moecal::cli
