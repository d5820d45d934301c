// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// What a benchmark program does when its ranks are processes that can fail one by one.
#include <gmock/gmock.h>

#include <string>

#include "bench/testing/program_process.hpp"

namespace moecal::bench {
namespace {

using testing::HasSubstr;

// Two ranks started by hand, as torchrun does, each with options of its own.
class RankedProgram : public Program {
 protected:
  // The exit statuses of ranks 0 and 1.
  [[nodiscard]] std::pair<int, int> run_both(const std::vector<std::string>& first,
                                             const std::vector<std::string>& second) const {
    const pid_t ranks[]{start_with(rank(0), recording(first)),
                        start_with(rank(1), recording(second))};
    const int status = wait(ranks[0]);
    return {status, wait(ranks[1])};
  }

 private:
  static Variables rank(int number) {
    const int port = 20'000 + getpid() % 20'000;
    return {{"RANK", std::to_string(number)},
            {"WORLD_SIZE", "2"},
            {"MASTER_ADDR", "127.0.0.1"},
            {"MASTER_PORT", std::to_string(port)},
            {"MOECAL_TIMEOUT_S", "20"}};
  }
};

TEST_F(RankedProgram, RecordsEveryPointOnce) {
  EXPECT_EQ(run_both({}, {}), (std::pair{0, 0})) << said();
  EXPECT_EQ(observations().size(), kPoints);
}

TEST_F(RankedProgram, SaysOnEveryRankThatOneCannotStart) {
  EXPECT_EQ(run_both({}, {"--card", "b200-sxm"}), (std::pair{2, 2}));
  EXPECT_THAT(said(), HasSubstr("rank 1: --card b200-sxm: the device is a '"));
}

TEST_F(RankedProgram, RefusesRanksWithDifferentPoints) {
  EXPECT_EQ(run_both({}, {"--suite", "planner"}), (std::pair{2, 2}));
  EXPECT_THAT(said(), HasSubstr("the ranks have different points to measure"));
}

TEST_F(RankedProgram, SaysThatTheSuiteOfOneRankIsMissing) {
  EXPECT_EQ(run_both({}, {"--suite", "nowhere.jsonl"}), (std::pair{2, 2}));
  EXPECT_THAT(said(), HasSubstr("rank 1: cannot read the suite 'nowhere.jsonl'"));
}

TEST_F(RankedProgram, RefusesAnOrderThatEachRankWouldChooseItself) {
  const std::vector<std::string> shuffled{"--benchmark_enable_random_interleaving=true"};
  EXPECT_EQ(run_both(shuffled, shuffled), (std::pair{2, 2}));
  EXPECT_THAT(said(), HasSubstr("--order-seed chooses it"));
}

}  // namespace
}  // namespace moecal::bench
