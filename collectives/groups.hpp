// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "core/point.hpp"

/// Which ranks of a launch form a group. Pure functions: every rank computes the same answer.
namespace moecal::collectives {

enum class Placement {
  contiguous,  // neighbours, as tensor-parallel ranks are: 8 ranks by 2 -> [0,1] [2,3] [4,5] [6,7]
  strided,     // far apart, as expert-parallel ranks are:  8 ranks by 2 -> [0,4] [1,5] [2,6] [3,7]
};

/// How a launch of `world` ranks is cut into groups of `group`, which divides it.
struct GroupSpec {
  int world = 1;
  int group = 1;
  Placement placement = Placement::contiguous;
  bool all_at_once = false;  // else group 0 alone, the other ranks idle
  bool operator==(const GroupSpec&) const = default;
};

/// The groups of a sweep that others are compared with.
[[nodiscard]] inline bool is_contiguous_alone(const GroupSpec& spec) {
  return !spec.all_at_once && spec.placement == Placement::contiguous;
}

/// Where one rank is.
struct Membership {
  int index = 0;          // of its group: 0 .. world / group - 1
  int rank_in_group = 0;  // 0 .. group - 1, in the order of ranks
  bool takes_part = true;
};
[[nodiscard]] Membership membership(const GroupSpec& spec, int rank);
/// The ranks of group `index`, ascending.
[[nodiscard]] std::vector<int> members(const GroupSpec& spec, int index);

/// Every way a launch is measured: each divisor from 2 up, contiguous and strided, group 0 alone
/// and all groups at once. The whole world is one way only.
[[nodiscard]] std::vector<GroupSpec> group_specs(int world);

/// The record's form. `nodes`: the node of each rank of the launch; the groups measured at once
/// span at most the recorded number of them.
[[nodiscard]] Ranks to_ranks(const GroupSpec& spec, std::span<const int> nodes);
/// @throws InvalidInput if the group does not divide the world, or the placement is no known word.
[[nodiscard]] GroupSpec to_spec(const Ranks& ranks);

}  // namespace moecal::collectives
