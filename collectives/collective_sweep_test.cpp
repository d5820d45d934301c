// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// What a launch measures of a collective, by how many ranks it has and where they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "bench/benchmark.hpp"
#include "bench/sampler.hpp"
#include "bench/testing/fake_trial.hpp"
#include "runtime/fork_plane.hpp"
#include "tests/collective_benchmarks.hpp"

namespace moecal::bench {

namespace {

using namespace std::chrono_literals;

// "2 contiguous": the nodes that a group of that kind spans.
std::map<std::string, int> nodes_spanned(const std::vector<Case>& cases) {
  std::map<std::string, int> spanned;
  for (const Case& c : cases)
    spanned[std::to_string(c.ranks.group) + " " + c.ranks.placement] = c.ranks.nodes;
  return spanned;
}

// Four ranks on the nodes that `node_of` gives them; whether each rank's sweep says `expected`.
int sweeps_as(const std::map<std::string, int>& expected, const char* (*node_of)(int rank)) {
  return run_forked(4, 20s, [&](ControlPlane& world) {
    ::setenv("MOECAL_NODE", node_of(world.rank()), 1);
    const auto benchmark = make_all_reduce();
    benchmark->meet(world);
    return nodes_spanned(benchmark->sweep(Suite::quick, "mpi", 4)) == expected ? 0 : 1;
  });
}

TEST(CollectiveSweep, KnowsTheNodesOfRanksInBlocks) {
  EXPECT_EQ(sweeps_as({{"2 contiguous", 1}, {"2 strided", 2}, {"4 contiguous", 2}},
                      [](int rank) { return rank < 2 ? "west" : "east"; }),
            0);
}

TEST(CollectiveSweep, KnowsTheNodesOfRanksDealtOutOneByOne) {
  EXPECT_EQ(sweeps_as({{"2 contiguous", 2}, {"2 strided", 1}, {"4 contiguous", 2}},
                      [](int rank) { return rank % 2 == 0 ? "west" : "east"; }),
            0);
}

TEST(CollectiveSweep, KnowsTheNodesOfUnevenShares) {
  EXPECT_EQ(sweeps_as({{"2 contiguous", 2}, {"2 strided", 2}, {"4 contiguous", 2}},
                      [](int rank) { return rank < 3 ? "west" : "east"; }),
            0);
}

// All ranks of a launch that nobody has started yet are on one node.
TEST(CollectiveSweep, ThinksOfOneNodeUnlessItMetTheRanks) {
  for (const Case& c : make_all_reduce()->sweep(Suite::quick, "mpi", 8))
    EXPECT_EQ(c.ranks.nodes, 1);
}

// Pairs of neighbours do not cross nodes of four, pairs of strided ranks do.
TEST(CollectiveSweep, LooksCloselyAtTheSmallestGroupsOfEachTier) {
  EXPECT_EQ(run_forked(8, 20s,
                       [&](ControlPlane& world) {
                         ::setenv("MOECAL_NODE", world.rank() < 4 ? "west" : "east", 1);
                         const auto benchmark = make_all_reduce();
                         benchmark->meet(world);
                         std::map<std::string, int> sizes;
                         for (const Case& c : benchmark->sweep(Suite::planner, "mpi", 8))
                           if (c.ranks.concurrent_groups == 1)
                             ++sizes[std::to_string(c.ranks.group) + " " + c.ranks.placement];
                         const std::map<std::string, int> expected{{"2 contiguous", 8},
                                                                   {"2 strided", 8},
                                                                   {"4 contiguous", 8},
                                                                   {"4 strided", 4},
                                                                   {"8 contiguous", 8}};
                         return sizes == expected ? 0 : 1;
                       }),
            0);
}

// A sum needs whole elements, not blocks: three ranks add 256 KiB as four do.
TEST(CollectiveSweep, AddsSizesAsTheyAre) {
  std::set<std::int64_t> sizes;
  for (const Case& c : make_all_reduce()->sweep(Suite::quick, "mpi", 3))
    sizes.insert(c.point.at("bytes"));
  EXPECT_TRUE(sizes.contains(1024));
  EXPECT_TRUE(sizes.contains(256 * 1024));
}

/// Time on a fake device of 15 us and 150 GB/s, until the median of one point is known.
double time_to_sample(double bytes) {
  const double call_s = 15e-6 + bytes / 150e9;
  FakeTime time;
  FakeTrial trial{time, {.median_s = call_s, .noise = 0.02}};
  SetRotation rotation{1};
  FakeClock clock{time};
  SamplerOptions options{.stop = {.budget = default_budget("planner")},
                         .agreement = Seconds{20e-6}};
  options.smallest_batch = 20;
  const auto world = make_single_rank_plane();
  (void)Sampler{clock, *world, options}.run(trial, rotation);
  return time.now_s;
}

TEST(CollectiveSweep, TakesThreeMinutesOfEightGpusAtMost) {
  double seconds = 0;
  for (const auto make : {make_all_gather, make_all_reduce, make_all_to_all, make_all_to_all_v,
                          make_reduce_scatter}) {
    const auto benchmark = make();
    int implementations = 0;
    for (const auto& implementation : benchmark->implementations())
      implementations += implementation.backend == "nccl" && implementation.from != Suite::full;
    for (const Case& c : benchmark->sweep(Suite::planner, "nccl", 8))
      seconds += std::max(1, implementations) * time_to_sample(benchmark->work(c).sent.value());
  }
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LT(seconds, 180);
}

}  // namespace
}  // namespace moecal::bench
