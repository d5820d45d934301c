// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "bench/result_marks.hpp"
#include "core/error.hpp"
#include "tests/programs_of_one_rank.hpp"

// That a cold point's launches went to every buffer set is read off the sets' results: of every
// operation a launch on one set must leave the others' alone.
namespace moecal::bench {

inline constexpr std::int64_t kFewTokens = 64;  // in place of a suite's
inline constexpr Bytes kSmall{16e6};            // moved: what a CPU does at once

inline std::string name_of(const Benchmark& benchmark, const Implementation& implementation,
                           const Case& c) {
  std::string name = benchmark.operation() + " " + implementation.name + " " + c.dtypes.a + " " +
                     c.dtypes.c + " " + c.dtypes.scale_mode;
  for (const auto& [number, value] : c.point) name += " " + number + ":" + std::to_string(value);
  return name;
}

/// Null where this machine cannot do the case.
inline std::unique_ptr<Trial> trial_of(const Benchmark& benchmark,
                                       const Implementation& implementation, const Case& c) {
  const auto world = make_single_rank_plane();
  Context context{*world, implementation.backend == "cuda" ? 0 : -1};
  try {
    return benchmark.make_trial(implementation, c, context);
  } catch (const Unsupported&) {
    return nullptr;
  }
}

inline void expect_marks_of_their_own(Trial& trial, Memory::Place place) {
  trial.prepare(2);
  const auto unwritten_after = [&](std::initializer_list<int> sets) {
    ResultMarks marks{trial, place, 2};
    marks.make();
    for (const int set : sets) trial.launch(set, nullptr);
    const int first = marks.unwritten();
    EXPECT_EQ(marks.unproven().empty(), first < 0) << marks.unproven();
    return first;
  };
  EXPECT_EQ(unwritten_after({1}), 0);
  EXPECT_EQ(unwritten_after({0}), 1);
  EXPECT_EQ(unwritten_after({1, 0}), -1);
  if (!trial.redraw(1, 2)) return;
  EXPECT_EQ(unwritten_after({1}), 0);
  EXPECT_EQ(unwritten_after({0, 1}), -1);
}

/// How many cases there were.
inline int check_all(const Benchmark& benchmark, const std::string& backend) {
  const auto place = backend == "cuda" ? Memory::Place::device : Memory::Place::host;
  int checked = 0;
  for (const auto& implementation : benchmark.implementations()) {
    if (implementation.backend != backend) continue;
    for (auto c : benchmark.sweep(Suite::planner, backend, 1)) {
      if (c.point.contains("tokens")) c.point["tokens"] = kFewTokens;
      const auto work = benchmark.work_by(implementation, c);
      const auto trial =
          work.read + work.written > kSmall ? nullptr : trial_of(benchmark, implementation, c);
      if (trial == nullptr) continue;
      SCOPED_TRACE(name_of(benchmark, implementation, c));
      expect_marks_of_their_own(*trial, place);
      ++checked;
    }
  }
  return checked;
}

inline void check_every_operation(const std::string& backend) {
  for (const auto& program : kProgramsOfOneRank)
    for (const auto make : program.makes) {
      const auto benchmark = make();
      const bool measured = std::ranges::any_of(
          benchmark->implementations(),
          [&](const Implementation& known) { return known.backend == backend; });
      if (!measured || !benchmark->has_cold_form()) continue;
      EXPECT_GE(check_all(*benchmark, backend), 1) << benchmark->operation();
    }
}

}  // namespace moecal::bench
