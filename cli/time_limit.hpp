// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include "cli/bench_programs.hpp"
#include "cli/measure_options.hpp"

namespace moecal::cli {

/// The seconds that a run may take, shared among the programs it starts one after the other by what
/// their points take, about, after what each takes to start. What a program leaves of its share is
/// the others'. Where starts would leave too little for points, the last programs get no share
/// until those before them have left something.
///
/// Unless it is asked for, the limit is that of a named suite on a GPU (20, 120 and 600 s for
/// quick, planner and full), and of the programs that run on one device: a launch of many ranks
/// has none, nor has a CPU, a file of cases or a run that measures energy.
class TimeLimit {
 public:
  /// `start`: seconds that a program takes before its first point, about, its clocks' warm-up
  /// apart; what the programs of the run really took counts as soon as it is known.
  TimeLimit(const std::vector<BenchProgram>& programs, const MeasureOptions& options, double start);
  /// Seconds that programs[number] may take, if it starts so many seconds after the first; empty:
  /// it may take as long as it needs.
  [[nodiscard]] std::optional<double> of(std::size_t number, double elapsed) const;
  /// Seconds that it takes before its first point, about.
  [[nodiscard]] double to_start(std::size_t number) const;
  void learn_start(double seconds);

 private:
  /// What some programs, one after the other, are expected to take.
  struct Expected {
    double starts = 0, points = 0;
  };
  [[nodiscard]] Expected expected(std::size_t first, std::size_t end) const;

  std::optional<double> seconds_;
  double start_;
  int starts_seen_ = 0;
  // Of each program that has a share, else 0.
  std::vector<double> cost_;     // seconds of its points, about
  std::vector<double> warm_up_;  // seconds
};

/// The programs' shares of a run's time limit. The last program has no other to make up for its
/// last point and its end, which come after its time.
class Shares {
 public:
  Shares(const std::vector<BenchProgram>& programs, const MeasureOptions& options, double start);
  /// As TimeLimit::of.
  [[nodiscard]] std::optional<double> of(std::size_t number, double elapsed) const;
  /// Of all that is left, for a program that was among those with a share.
  [[nodiscard]] std::optional<double> of_rest(std::size_t number, double elapsed) const;
  [[nodiscard]] double to_start(std::size_t number) const { return limit_.to_start(number); }
  void learn_start(double seconds) { limit_.learn_start(seconds); }

 private:
  TimeLimit limit_;
  std::size_t last_ = 0;
};

}  // namespace moecal::cli
