// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/groups.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "core/error.hpp"

namespace moecal::collectives {
namespace {

using Groups = std::vector<std::vector<int>>;

Groups all_groups(const GroupSpec& spec) {
  Groups groups;
  for (int index = 0; index < spec.world / spec.group; ++index)
    groups.push_back(members(spec, index));
  return groups;
}

TEST(Groups, OfEightRanksAreThoseOfTheDocuments) {
  EXPECT_EQ(all_groups({8, 2, Placement::contiguous}), (Groups{{0, 1}, {2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(all_groups({8, 2, Placement::strided}), (Groups{{0, 4}, {1, 5}, {2, 6}, {3, 7}}));
  EXPECT_EQ(all_groups({8, 4, Placement::strided}), (Groups{{0, 2, 4, 6}, {1, 3, 5, 7}}));
  EXPECT_EQ(all_groups({8, 8, Placement::strided}), (Groups{{0, 1, 2, 3, 4, 5, 6, 7}}));
}

TEST(Groups, Of128RanksAreTensorPairsAndExpertGroupsOf64) {
  EXPECT_EQ(members({128, 2, Placement::contiguous}, 63), (std::vector<int>{126, 127}));
  const auto experts = members({128, 64, Placement::strided}, 1);
  ASSERT_EQ(experts.size(), 64U);
  EXPECT_EQ(experts.front(), 1);
  EXPECT_EQ(experts.back(), 127);
}

TEST(Groups, PartitionEveryLaunch) {
  for (const int world : {2, 6, 8, 64, 128})
    for (const GroupSpec& spec : group_specs(world)) {
      std::vector<int> seen;
      for (const auto& group : all_groups(spec)) {
        EXPECT_EQ(static_cast<int>(group.size()), spec.group);
        seen.insert(seen.end(), group.begin(), group.end());
      }
      std::sort(seen.begin(), seen.end());
      std::vector<int> every(static_cast<std::size_t>(world));
      std::iota(every.begin(), every.end(), 0);
      EXPECT_EQ(seen, every);
    }
}

TEST(Groups, RankInGroupFollowsTheOrderOfRanks) {
  for (const GroupSpec& spec : group_specs(64))
    for (int rank = 0; rank < 64; ++rank) {
      const Membership where = membership(spec, rank);
      EXPECT_EQ(members(spec, where.index)[where.rank_in_group], rank);
      EXPECT_EQ(where.takes_part, spec.all_at_once || where.index == 0);
    }
}

TEST(Groups, SpecsAreEveryDivisorBothPlacementsAloneAndTogether) {
  EXPECT_EQ(group_specs(1).size(), 0U);
  EXPECT_EQ(group_specs(2).size(), 1U);
  EXPECT_EQ(group_specs(8).size(), 4U + 4U + 1U);
  EXPECT_EQ(group_specs(6).size(), 4U + 4U + 1U);
  EXPECT_EQ(group_specs(128).size(), 6 * 4U + 1U);
}

TEST(Groups, TierIsTheSlowestLinkOfAnyGroupMeasured) {
  const std::vector<int> nodes{0, 0, 0, 0, 1, 1, 1, 1};
  EXPECT_EQ(to_ranks({8, 4, Placement::contiguous, true}, nodes).tier, "intra");
  const Ranks strided = to_ranks({8, 4, Placement::strided, true}, nodes);
  EXPECT_EQ(strided.tier, "inter");
  EXPECT_EQ(strided.nodes, 2);
  EXPECT_EQ(strided.concurrent_groups, 2);
  EXPECT_EQ(to_ranks({8, 8, Placement::contiguous, false}, nodes).nodes, 2);
}

TEST(Groups, SpecsSurviveTheRecord) {
  const std::vector<int> nodes(8);
  for (const GroupSpec& spec : group_specs(8)) EXPECT_EQ(to_spec(to_ranks(spec, nodes)), spec);
}

TEST(Groups, RefuseWhatIsNoPartition) {
  Ranks ranks{.world = 8, .group = 3};
  EXPECT_THROW(static_cast<void>(to_spec(ranks)), InvalidInput);
  ranks.group = 2;
  ranks.placement = "scattered";
  EXPECT_THROW(static_cast<void>(to_spec(ranks)), InvalidInput);
}

}  // namespace
}  // namespace moecal::collectives
