// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// What a benchmark program does when its ranks are processes that can fail one by one.
#include <gmock/gmock.h>

#include <string>

#include "bench/testing/program_process.hpp"
#include "runtime/socket.hpp"

namespace moecal::bench {
namespace {

using testing::HasSubstr;

// Two ranks started by hand, as torchrun does, each with options of its own.
class RankedProgram : public Program {
 protected:
  // The exit statuses of ranks 0 and 1.
  [[nodiscard]] std::pair<int, int> run_both(const std::vector<std::string>& first,
                                             const std::vector<std::string>& second) const {
    forget_output();
    const pid_t ranks[]{start_with(rank(0), recording(first)),
                        start_with(rank(1), recording(second))};
    const int status = wait(ranks[0]);
    return {status, wait(ranks[1])};
  }

  Variables more_;  // of the environment of both

 private:
  [[nodiscard]] Variables rank(int number) const {
    const int port = 20'000 + getpid() % 20'000;
    Variables variables = {{"RANK", std::to_string(number)},
                           {"WORLD_SIZE", "2"},
                           {"MASTER_ADDR", "127.0.0.1"},
                           {"MASTER_PORT", std::to_string(port)},
                           {"MOECAL_TIMEOUT_S", "20"}};
    variables.insert(variables.end(), more_.begin(), more_.end());
    return variables;
  }
};

TEST_F(RankedProgram, RecordsEveryPointOnce) {
  EXPECT_EQ(run_both({}, {}), (std::pair{0, 0})) << said();
  EXPECT_EQ(observations().size(), kPoints);
}

// torchrun's agent keeps listening on MASTER_PORT while its ranks run.
TEST_F(RankedProgram, LeavesMasterPortToTorchrunsAgent) {
  const Socket agent = listen_on(20'000 + getpid() % 20'000);
  EXPECT_EQ(run_both({}, {}), (std::pair{1, 1}));
  EXPECT_THAT(said(), HasSubstr("choose another with MOECAL_PORT"));
  more_ = {{"TORCHELASTIC_USE_AGENT_STORE", "True"}};
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

TEST_F(RankedProgram, EndsOnEveryRankWhenTheTimeOfTheFirstIsOver) {
  EXPECT_EQ(run_both({"--time-limit", "0"}, {}), (std::pair{3, 3})) << said();
}

// The rank that fails ends the launch before the point is recorded. A run that met it again and
// again would never end.
TEST_F(RankedProgram, GivesUpAPointThatEndedTheLaunchTwice) {
  const std::vector<std::string> full{"--suite", "full"};
  for (int launch = 1; launch <= 2; ++launch) {
    const auto [first, second] = run_both(full, full);
    EXPECT_NE(first, 0);
    EXPECT_NE(second, 0);
    EXPECT_THAT(said(), HasSubstr("rank failed while all ranks measure: a launch that fails"));
  }
  EXPECT_EQ(run_both(full, full), (std::pair{1, 1})) << said();
  EXPECT_THAT(said(), HasSubstr("1 points were left out: the launch ended twice"));
  EXPECT_EQ(finished().size(), kPoints - 1);
  int ended = 0;
  for (const auto& o : observations())
    if (o.outcome == Outcome::failed) {
      EXPECT_EQ(o.point.at("index"), 8);
      EXPECT_EQ(o.reason, "the launch ended while this point was measured");
      ++ended;
    }
  EXPECT_EQ(ended, 2);
  EXPECT_FALSE(std::filesystem::exists(out_ + ".measuring"));
}

}  // namespace
}  // namespace moecal::bench
