// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/groups.hpp"

#include <algorithm>
#include <set>
#include <string>

#include "core/error.hpp"

namespace moecal::collectives {
namespace {

int nodes_spanned(const GroupSpec& spec, int index, std::span<const int> nodes) {
  std::set<int> spanned;
  for (const int rank : members(spec, index)) spanned.insert(nodes[rank]);
  return static_cast<int>(spanned.size());
}

}  // namespace

Membership membership(const GroupSpec& spec, int rank) {
  const int groups = spec.world / spec.group;
  Membership where;
  if (spec.placement == Placement::contiguous) {
    where.index = rank / spec.group;
    where.rank_in_group = rank % spec.group;
  } else {
    where.index = rank % groups;
    where.rank_in_group = rank / groups;
  }
  where.takes_part = spec.all_at_once || where.index == 0;
  return where;
}

std::vector<int> members(const GroupSpec& spec, int index) {
  std::vector<int> ranks;
  for (int rank = 0; rank < spec.world; ++rank)
    if (membership(spec, rank).index == index) ranks.push_back(rank);
  return ranks;
}

std::vector<GroupSpec> group_specs(int world) {
  std::vector<GroupSpec> specs;
  for (int group = 2; group <= world; ++group) {
    if (world % group != 0) continue;
    if (group == world) {
      specs.push_back({world, group, Placement::contiguous, false});
      break;
    }
    for (const auto placement : {Placement::contiguous, Placement::strided})
      for (const bool all_at_once : {false, true})
        specs.push_back({world, group, placement, all_at_once});
  }
  return specs;
}

Ranks to_ranks(const GroupSpec& spec, std::span<const int> nodes) {
  Ranks ranks;
  ranks.world = spec.world;
  ranks.group = spec.group;
  ranks.placement = spec.placement == Placement::contiguous ? "contiguous" : "strided";
  ranks.concurrent_groups = spec.all_at_once ? spec.world / spec.group : 1;
  for (int index = 0; index < ranks.concurrent_groups; ++index)
    ranks.nodes = std::max(ranks.nodes, nodes_spanned(spec, index, nodes));
  ranks.tier = ranks.nodes > 1 ? "inter" : "intra";
  return ranks;
}

GroupSpec to_spec(const Ranks& ranks) {
  if (ranks.group < 1 || ranks.world % ranks.group != 0)
    throw InvalidInput{"groups of " + std::to_string(ranks.group) + " do not divide a launch of " +
                       std::to_string(ranks.world) + " ranks"};
  if (ranks.placement != "contiguous" && ranks.placement != "strided")
    throw InvalidInput{"placement \"" + ranks.placement + "\" is neither contiguous nor strided"};
  const auto placement =
      ranks.placement == "contiguous" ? Placement::contiguous : Placement::strided;
  return {ranks.world, ranks.group, placement, ranks.concurrent_groups > 1};
}

}  // namespace moecal::collectives
