// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/control_plane.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "core/error.hpp"
#include "runtime/fork_plane.hpp"
#include "runtime/hosts.hpp"
#include "runtime/tcp_plane.hpp"
#include "tests/plane_conformance.hpp"
#include "tests/tcp_ranks.hpp"

namespace moecal {
namespace {

using namespace std::chrono_literals;
using testing::free_port;
using ::testing::HasSubstr;
using testing::on_tcp_ranks;

int conformance_status(ControlPlane& plane) {
  testing::expect_conformance(plane);
  return ::testing::Test::HasFailure() ? 1 : 0;
}

TEST(SingleRankPlane, Conforms) { testing::expect_conformance(*make_single_rank_plane()); }

class Planes : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, Planes, ::testing::Values(1, 2, 3, 4));

TEST_P(Planes, ForkConforms) { EXPECT_EQ(run_forked(GetParam(), 20s, conformance_status), 0); }

TEST_P(Planes, TcpConforms) {
  for (const std::string& problem : on_tcp_ranks(GetParam(), 20s, testing::expect_conformance))
    EXPECT_EQ(problem, "");
}

TEST(TcpPlane, NamesTheRankThatNeverStarted) {
  const auto problems = on_tcp_ranks(
      4, 300ms, [](ControlPlane&) {}, 2);
  for (const int rank : {0, 1, 3})
    EXPECT_THAT(problems[rank], HasSubstr("rank 2 of 4 did not arrive within 0.3 s at start"));
}

TEST(TcpPlane, NamesTheRankThatIsLate) {
  const auto problems = on_tcp_ranks(4, 300ms, [](ControlPlane& plane) {
    if (plane.rank() == 2) std::this_thread::sleep_for(1s);
    plane.barrier();
  });
  const std::string sentence =
      "rank 2 of 4 on " + host_name() + " did not arrive within 0.3 s at barrier";
  for (const std::string& problem : problems) EXPECT_EQ(problem, sentence);
}

TEST(TcpPlane, WaitsForAllLongerThanItsTimeout) {
  for (const int slow : {0, 2}) {
    const auto problems = on_tcp_ranks(4, 300ms, [slow](ControlPlane& plane) {
      if (plane.rank() == slow) std::this_thread::sleep_for(1s);
      plane.wait_for_all();
      plane.barrier();
    });
    for (const std::string& problem : problems) EXPECT_EQ(problem, "");
  }
}

TEST(TcpPlane, NamesTheRankThatWentAwayWhileItWaitsForAll) {
  for (const int gone : {0, 1, 3}) {
    const auto problems = on_tcp_ranks(4, 300ms, [gone](ControlPlane& plane) {
      if (plane.rank() == gone) std::this_thread::sleep_for(1s);
      if (plane.rank() == gone) return;
      plane.wait_for_all();
    });
    for (int rank = 0; rank < 4; ++rank)
      EXPECT_THAT(problems[rank], rank == gone
                                      ? HasSubstr("")
                                      : HasSubstr("rank " + std::to_string(gone) + " of 4 on " +
                                                  host_name() + " closed its connection"));
  }
}

TEST(TcpPlane, NamesTheRankThatWentAway) {
  for (const int gone : {0, 1, 3}) {
    const auto problems = on_tcp_ranks(4, 5s, [gone](ControlPlane& plane) {
      if (plane.rank() == gone) return;
      plane.barrier();
      plane.barrier();
    });
    const std::string sentence = "rank " + std::to_string(gone) + " of 4 on " + host_name() +
                                 " closed its connection (it ended or was killed) at barrier";
    for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(problems[rank], rank == gone ? "" : sentence);
  }
}

TEST(TcpPlane, NamesTheRankThatCallsSomethingElse) {
  const auto problems = on_tcp_ranks(3, 5s, [](ControlPlane& plane) {
    if (plane.rank() == 1) {
      static_cast<void>(plane.max(1.0));
    } else {
      plane.barrier();
    }
  });
  for (const std::string& problem : problems) {
    EXPECT_THAT(problem, HasSubstr("rank 1 of 3"));
    EXPECT_THAT(problem, HasSubstr("called max while rank 0 of 3"));
  }
}

TEST(TcpPlane, NamesMembersOfASplitByTheirRankInTheLaunch) {
  const auto problems = on_tcp_ranks(4, 5s, [](ControlPlane& plane) {
    const auto part = plane.split(plane.rank() % 2);
    if (plane.rank() == 3) return;
    part->barrier();
  });
  EXPECT_THAT(problems[1], HasSubstr("rank 3 of 4"));
  EXPECT_EQ(problems[0] + problems[2], "");
}

TEST(TcpPlane, RefusesTwoProcessesOfOneRank) {
  const int port = free_port();
  const auto join = [&](int rank) {
    return make_tcp_plane(
        {.rank = rank, .size = 3, .address = "127.0.0.1", .port = port, .timeout = 1s});
  };
  std::jthread one{[&] { EXPECT_THROW(static_cast<void>(join(1)), Error); }};
  std::jthread twin{[&] { EXPECT_THROW(static_cast<void>(join(1)), Error); }};
  try {
    static_cast<void>(join(0));
    FAIL() << "rank 0 should have refused";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("two processes say they are rank 1 of 3"));
  }
}

TEST(ForkPlane, AKilledRankEndsTheLaunchAndIsNamedToTheOthers) {
  const int status = run_forked(4, 20s, [](ControlPlane& plane) {
    plane.barrier();
    if (plane.rank() == 2) std::raise(SIGKILL);
    try {
      plane.barrier();
    } catch (const Error& problem) {
      return std::string{problem.what()}.starts_with("rank 2 of 4 closed its connection") ? 0 : 9;
    }
    return 8;
  });
  EXPECT_EQ(status, 128 + SIGKILL);
}

TEST(ForkPlane, ARankThatHangsIsEndedAfterAnotherFailed) {
  const auto started = std::chrono::steady_clock::now();
  const int status = run_forked(3, 60s, [](ControlPlane& plane) {
    if (plane.rank() == 1) throw Error{"out of memory at 1 GiB"};
    for (;;) std::this_thread::sleep_for(1s);
    return 0;
  });
  EXPECT_EQ(status, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 20s);
}

TEST(ForkPlane, AbortReachesTheOthers) {
  const int status = run_forked(3, 20s, [](ControlPlane& plane) {
    if (plane.rank() == 1) plane.abort(7, "failed: out of memory");
    try {
      plane.barrier();
    } catch (const Error& problem) {
      return std::string{problem.what()} == "rank 1 of 3 failed: out of memory" ? 0 : 9;
    }
    return 8;
  });
  EXPECT_EQ(status, 7);
}

TEST(ForkPlane, SeesItsRanksEndWhereItsParentIgnoresChildrensEnds) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run_forked(3, 20s, [](ControlPlane& plane) { return plane.rank() == 2 ? 5 : 0; }), 5);
  std::signal(SIGCHLD, before);
}

TEST(Hosts, RanksOfOneHostAreOneNode) {
  on_tcp_ranks(3, 5s, [](ControlPlane& plane) {
    EXPECT_EQ(nodes_of_ranks(plane), (std::vector<int>{0, 0, 0}));
  });
}

TEST(Hosts, RanksKnowTheHostsOfAllAndTheirPlaceOnTheirOwn) {
  EXPECT_EQ(
      run_forked(
          4, 20s,
          [](ControlPlane& plane) {
            ::setenv("MOECAL_NODE", plane.rank() % 2 == 0 ? "west" : "east", 1);
            const auto hosts = hosts_of_ranks(plane);
            const bool all = hosts == std::vector<std::string>{"west", "east", "west", "east"};
            return all && rank_on_host(hosts, plane.rank()) == plane.rank() / 2 ? 0 : 1;
          }),
      0);
}

TEST(Hosts, NodesAreNumberedAsRanksNameThem) {
  EXPECT_EQ(run_forked(4, 20s,
                       [](ControlPlane& plane) {
                         ::setenv("MOECAL_NODE", plane.rank() < 2 ? "west" : "east", 1);
                         return nodes_of_ranks(plane) == std::vector<int>{0, 0, 1, 1} ? 0 : 1;
                       }),
            0);
}

class LaunchEnvironment : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_PROCID",
                             "SLURM_NTASKS", "SLURM_STEP_NODELIST", "SLURM_JOB_ID", "SLURM_STEP_ID",
                             "SLURM_STEP_NUM_TASKS", "MOECAL_PORT", "TORCHELASTIC_USE_AGENT_STORE"})
      ::unsetenv(name);
  }
  void TearDown() override { SetUp(); }
};

TEST_F(LaunchEnvironment, NothingSetIsNoLaunch) { EXPECT_FALSE(rendezvous_from_environment()); }

TEST_F(LaunchEnvironment, ReadsTorchrunsVariables) {
  ::setenv("RANK", "3", 1);
  ::setenv("WORLD_SIZE", "8", 1);
  ::setenv("MASTER_ADDR", "node1", 1);
  ::setenv("MASTER_PORT", "29500", 1);
  const auto place = rendezvous_from_environment();
  ASSERT_TRUE(place);
  EXPECT_EQ(place->rank, 3);
  EXPECT_EQ(place->size, 8);
  EXPECT_EQ(place->address, "node1");
  EXPECT_EQ(place->port, 29500);
}

TEST_F(LaunchEnvironment, ReadsSlurmsVariables) {
  ::setenv("SLURM_STEP_ID", "0", 1);
  ::setenv("SLURM_PROCID", "15", 1);
  ::setenv("SLURM_NTASKS", "16", 1);
  ::setenv("SLURM_STEP_NODELIST", "gpu[03-05,9],cpu1", 1);
  ::setenv("SLURM_JOB_ID", "40123", 1);
  const auto place = rendezvous_from_environment();
  ASSERT_TRUE(place);
  EXPECT_EQ(place->rank, 15);
  EXPECT_EQ(place->size, 16);
  EXPECT_EQ(place->address, "gpu03");
  EXPECT_EQ(place->port, 20'123);
}

TEST_F(LaunchEnvironment, LeavesMasterPortToTorchrunsAgent) {
  ::setenv("RANK", "1", 1);
  ::setenv("WORLD_SIZE", "2", 1);
  ::setenv("MASTER_ADDR", "node1", 1);
  ::setenv("MASTER_PORT", "29500", 1);
  ::setenv("TORCHELASTIC_USE_AGENT_STORE", "True", 1);
  EXPECT_EQ(rendezvous_from_environment()->port, 29501);
  ::setenv("TORCHELASTIC_USE_AGENT_STORE", "False", 1);
  EXPECT_EQ(rendezvous_from_environment()->port, 29500);
  ::setenv("MOECAL_PORT", "4000", 1);
  EXPECT_EQ(rendezvous_from_environment()->port, 4000);
}

TEST_F(LaunchEnvironment, TellsABatchScriptFromTheTasksOfSrun) {
  ::setenv("SLURM_PROCID", "0", 1);
  ::setenv("SLURM_NTASKS", "16", 1);
  ::setenv("SLURM_JOB_ID", "40123", 1);
  ::setenv("MASTER_ADDR", "node1", 1);
  for (const char* step : {"", "4294967291"}) {
    ::setenv("SLURM_STEP_ID", step, 1);
    try {
      static_cast<void>(rendezvous_from_environment());
      FAIL() << "a batch script passed for a rank";
    } catch (const InvalidInput& error) {
      EXPECT_THAT(error.what(), HasSubstr("start it with srun"));
    }
  }
  ::setenv("SLURM_STEP_ID", "4294967290", 1);  // an interactive shell is a step of one task
  ::setenv("SLURM_STEP_NUM_TASKS", "1", 1);
  EXPECT_EQ(rendezvous_from_environment()->size, 1);
  ::setenv("SLURM_STEP_ID", "3", 1);
  ::setenv("SLURM_STEP_NUM_TASKS", "4", 1);
  EXPECT_EQ(rendezvous_from_environment()->size, 4);
}

TEST_F(LaunchEnvironment, RefusesWhatContradictsItself) {
  ::setenv("RANK", "2", 1);
  EXPECT_THROW(rendezvous_from_environment(), InvalidInput);
  ::setenv("WORLD_SIZE", "two", 1);
  ::setenv("MASTER_ADDR", "node1", 1);
  ::setenv("MASTER_PORT", "29500", 1);
  EXPECT_THROW(rendezvous_from_environment(), InvalidInput);
  ::setenv("WORLD_SIZE", "2", 1);
  EXPECT_THROW(rendezvous_from_environment(), InvalidInput);
}

TEST(FirstHost, ReadsSlurmNodeLists) {
  EXPECT_EQ(first_host("gpu[03-05,9],cpu1"), "gpu03");
  EXPECT_EQ(first_host("gpu[7]"), "gpu7");
  EXPECT_EQ(first_host("login,gpu[1-2]"), "login");
  EXPECT_EQ(first_host("one"), "one");
  EXPECT_EQ(first_host("gpu[1-2]-ib"), "gpu1-ib");
  EXPECT_EQ(first_host("rack[2,4]n[07-09],x"), "rack2n07");
  EXPECT_EQ(first_host("gpu["), "gpu");
}

}  // namespace
}  // namespace moecal
