// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/standstill.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "tests/temporary_folder.hpp"

namespace moecal::cli {
namespace {

class StandstillTest : public testing::Test {
 protected:
  static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds{60}); }

  TemporaryFolder folder_;
  std::string out_ = folder_.write("run.jsonl", "one");
  Standstill standstill_{out_, 0.05};
};

TEST_F(StandstillTest, LastsFromTheFirstQuestionUntilSomethingIsRecorded) {
  wait();
  EXPECT_FALSE(standstill_.is_too_long());
  wait();
  EXPECT_TRUE(standstill_.is_too_long());
  folder_.write("run.jsonl", "one, two");
  EXPECT_FALSE(standstill_.is_too_long());
}

TEST_F(StandstillTest, KnowsThePointThatWasUnderWayUnlessItIsRecordedAfterAll) {
  const PointNote note{out_};
  Observation point;
  point.operation = "spin";
  note.write(point);
  EXPECT_FALSE(standstill_.is_too_long());
  EXPECT_TRUE(standstill_.note_of_the_silent().empty());
  wait();
  EXPECT_TRUE(standstill_.is_too_long());
  note.remove();
  ASSERT_EQ(standstill_.note_of_the_silent().size(), 1U);
  EXPECT_EQ(standstill_.note_of_the_silent().front().outcome, Outcome::failed);
  folder_.write("run.jsonl", "one, two");
  EXPECT_TRUE(standstill_.note_of_the_silent().empty());
}

}  // namespace
}  // namespace moecal::cli
