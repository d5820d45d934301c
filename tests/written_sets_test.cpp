// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "bench/result_marks.hpp"
#include "core/error.hpp"
#include "tests/programs_of_one_rank.hpp"

// That a cold point's launches went to every buffer set is read off the sets' results: of every
// operation a launch on one set must leave the others' alone.
namespace moecal::bench {
namespace {

constexpr std::int64_t kFewTokens = 64;  // in place of a suite's
constexpr Bytes kSmall{16e6};            // moved: what a CPU does at once

std::string name_of(const Benchmark& benchmark, const Implementation& implementation,
                    const Case& c) {
  std::string name = benchmark.operation() + " " + implementation.name + " " + c.dtypes.a + " " +
                     c.dtypes.c + " " + c.dtypes.scale_mode;
  for (const auto& [number, value] : c.point) name += " " + number + ":" + std::to_string(value);
  return name;
}

/// Null where this machine cannot do the case.
std::unique_ptr<Trial> trial_of(const Benchmark& benchmark, const Implementation& implementation,
                                const Case& c) {
  const auto world = make_single_rank_plane();
  Context context{*world};
  try {
    return benchmark.make_trial(implementation, c, context);
  } catch (const Unsupported&) {
    return nullptr;
  }
}

void expect_marks_of_their_own(Trial& trial) {
  trial.prepare(2);
  const auto unwritten_after = [&](std::initializer_list<int> sets) {
    ResultMarks marks{trial, Memory::Place::host, 2};
    marks.make();
    for (const int set : sets) trial.launch(set, nullptr);
    return marks.unwritten();
  };
  EXPECT_EQ(unwritten_after({1}), 0);
  EXPECT_EQ(unwritten_after({0}), 1);
  EXPECT_EQ(unwritten_after({1, 0}), -1);
  if (!trial.redraw(1, 2)) return;
  EXPECT_EQ(unwritten_after({1}), 0);
  EXPECT_EQ(unwritten_after({0, 1}), -1);
}

/// How many cases there were.
int check_all(const Benchmark& benchmark) {
  int checked = 0;
  for (const auto& implementation : benchmark.implementations()) {
    if (implementation.backend != "cpu") continue;
    for (auto c : benchmark.sweep(Suite::planner, "cpu", 1)) {
      if (c.point.contains("tokens")) c.point["tokens"] = kFewTokens;
      const auto work = benchmark.work_by(implementation, c);
      const auto trial =
          work.read + work.written > kSmall ? nullptr : trial_of(benchmark, implementation, c);
      if (trial == nullptr) continue;
      SCOPED_TRACE(name_of(benchmark, implementation, c));
      expect_marks_of_their_own(*trial);
      ++checked;
    }
  }
  return checked;
}

TEST(WrittenSets, AreToldApartInEveryOperationThatIsMeasuredCold) {
  for (const auto& program : kProgramsOfOneRank)
    for (const auto make : program.makes) {
      const auto benchmark = make();
      if (!benchmark->has_cold_form()) continue;
      EXPECT_GE(check_all(*benchmark), 1) << benchmark->operation();
    }
}

}  // namespace
}  // namespace moecal::bench
