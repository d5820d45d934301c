// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/result_marks.hpp"

#include <gtest/gtest.h>

#include "bench/testing/fake_trial.hpp"

namespace moecal::bench {
namespace {

struct Marked {
  explicit Marked(int sets, bool has_results = true) : marks{trial, Memory::Place::host, sets} {
    trial.has_results = has_results;
    trial.prepare(sets);
    marks.make();
  }
  FakeTime time;
  FakeTrial trial{time, FakeDevice{}};
  ResultMarks marks;
};

TEST(ResultMarks, NameTheFirstSetThatWasNotWritten) {
  Marked all{3};
  for (const int set : {0, 1, 2}) all.trial.launch(set, nullptr);
  EXPECT_EQ(all.marks.unwritten(), -1);
  Marked some{3};
  some.trial.launch(1, nullptr);
  EXPECT_EQ(some.marks.unwritten(), 0);
  some.marks.make();
  for (const int set : {0, 1}) some.trial.launch(set, nullptr);
  EXPECT_EQ(some.marks.unwritten(), 2) << "what was written before the marks counts for nothing";
}

TEST(ResultMarks, SeeLaunchesThatAllGoToOneSet) {
  Marked marked{3};
  marked.trial.writes_all_to_first = true;
  for (const int set : {0, 1, 2}) marked.trial.launch(set, nullptr);
  EXPECT_EQ(marked.marks.unwritten(), 1);
  EXPECT_EQ(marked.marks.unproven(),
            "buffer set 1 of 3 holds no result: its launches wrote elsewhere, or nothing");
  for (const int set : {1, 2}) marked.trial.results[static_cast<std::size_t>(set)].assign(20, {});
  marked.marks.make();
  for (auto& result : marked.trial.results) result.assign(20, {});
  EXPECT_EQ(marked.marks.unproven(), "");
}

TEST(ResultMarks, RefuseSetsThatShareMemory) {
  FakeTime time;
  FakeTrial trial{time, FakeDevice{}};
  trial.prepare(3);
  trial.shares_results = true;
  ResultMarks marks{trial, Memory::Place::host, 3};
  marks.make();
  for (const int set : {0, 1, 2}) trial.launch(set, nullptr);
  EXPECT_EQ(marks.unproven(), "buffer set 1 of 3 shares its result's memory with set 0");
}

// Of three sets that lie in one piece, in any order.
TEST(ResultMarks, RefuseResultsOfWhichOneReachesIntoAnother) {
  struct Strided final : FakeTrial {
    using FakeTrial::FakeTrial;
    [[nodiscard]] std::span<std::byte> written(int set) override {
      return std::span{memory}.subspan(static_cast<std::size_t>(2 - set) * 20, bytes);
    }
    std::vector<std::byte> memory = std::vector<std::byte>(64);
    std::size_t bytes = 20;
  };
  FakeTime time;
  Strided trial{time, FakeDevice{}};
  ResultMarks marks{trial, Memory::Place::host, 3};
  marks.make();
  std::ranges::fill(trial.memory, std::byte{1});
  EXPECT_EQ(marks.unproven(), "");
  trial.bytes = 21;
  marks.make();
  std::ranges::fill(trial.memory, std::byte{1});
  EXPECT_EQ(marks.unproven(), "buffer set 2 of 3 shares its result's memory with set 1");
}

// A set that is drawn anew is planned anew, which erases its result.
TEST(ResultMarks, RememberWhatWasSeenBeforeASetIsDrawnAnew) {
  Marked marked{2};
  marked.trial.routes = true;
  for (const int set : {0, 1}) marked.trial.launch(set, nullptr);
  marked.marks.look(0);
  EXPECT_TRUE(marked.trial.redraw(0, 2));
  EXPECT_EQ(marked.marks.unwritten(), -1);
  marked.marks.make();
  marked.trial.launch(1, nullptr);
  marked.marks.look(0);
  marked.trial.launch(0, nullptr);
  EXPECT_EQ(marked.marks.unwritten(), 0) << "looked at too early is never written";
}

TEST(ResultMarks, LookAtSomeOfThousandsOfSets) {
  Marked marked{2500};
  int marks = 0;
  for (const auto& result : marked.trial.results) marks += result.front() == std::byte{0xFF};
  EXPECT_EQ(marks, 834) << "one of three";
  for (int set = 0; set < 2500; ++set)
    if (set != 1500) marked.trial.launch(set, nullptr);
  EXPECT_EQ(marked.marks.unwritten(), 1500);
}

TEST(ResultMarks, ProveNothingOfATrialWithoutResultsOrOfARankThatIdles) {
  Marked without{3, false};
  EXPECT_EQ(without.marks.unwritten(), -1);
  EXPECT_EQ(without.marks.unproven(),
            "buffer set 0 of 3 has no result that could show whether it was written");
  Marked idle{3};
  idle.trial.participates = false;
  ResultMarks marks{idle.trial, Memory::Place::host, 3};
  marks.make();
  EXPECT_EQ(marks.unwritten(), -1);
  EXPECT_EQ(marks.unproven(), "") << "others prove it";
}

TEST(ResultMarks, TakeResultsOfFewBytesWhole) {
  Marked marked{2};
  for (auto& result : marked.trial.results) result.resize(3);
  marked.marks.make();
  marked.trial.results[0] = {std::byte{0xFF}, std::byte{0xFF}, std::byte{0}};
  EXPECT_EQ(marked.marks.unwritten(), 1);
}

}  // namespace
}  // namespace moecal::bench
