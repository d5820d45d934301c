// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstddef>
#include <ostream>
#include <string>

namespace moecal::bench {

/// Tells whoever waits how far a sweep is: one line that is rewritten on a terminal, a plain line
/// every ten seconds otherwise.
class Progress {
 public:
  Progress(std::ostream& stream, bool terminal) : stream_{stream}, terminal_{terminal} {}

  void start(std::size_t total) { total_ = total; }
  /// A point is begun.
  void point(const std::string& name);
  /// It is over: on a terminal the line makes room for its result.
  void point_done();

 private:
  using Time = std::chrono::steady_clock::time_point;
  [[nodiscard]] std::string line(const std::string& name) const;
  [[nodiscard]] double elapsed_s() const;

  std::ostream& stream_;
  bool terminal_;
  std::size_t total_ = 0;
  std::size_t done_ = 0;
  Time started_ = std::chrono::steady_clock::now();
  Time last_line_ = started_;
};

}  // namespace moecal::bench
