// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/control_plane.hpp"

namespace moecal::testing {

inline void expect_max_and_min(ControlPlane& plane) {
  std::vector<double> values{static_cast<double>(plane.rank()), -static_cast<double>(plane.rank()),
                             7.5};
  plane.max(values);
  EXPECT_EQ(values, (std::vector<double>{plane.size() - 1.0, 0.0, 7.5}));
  EXPECT_EQ(plane.max(10.0 + plane.rank()), 9.0 + plane.size());
  EXPECT_EQ(plane.min(10.0 + plane.rank()), 10.0);
}

inline void expect_broadcast(ControlPlane& plane) {
  for (int root = 0; root < plane.size(); ++root) {
    std::vector<char> bytes(70'000, static_cast<char>(plane.rank() + 1));
    plane.broadcast(bytes, root);
    EXPECT_EQ(bytes, std::vector<char>(70'000, static_cast<char>(root + 1)));
  }
}

/// Splits by `colour` and checks who is in this rank's part, which is then split again.
inline void expect_split(ControlPlane& plane, int (*colour_of)(int rank, int size)) {
  std::vector<int> members;
  for (int rank = 0; rank < plane.size(); ++rank)
    if (colour_of(rank, plane.size()) == colour_of(plane.rank(), plane.size()))
      members.push_back(rank);
  const auto part = plane.split(colour_of(plane.rank(), plane.size()));
  ASSERT_EQ(part->size(), static_cast<int>(members.size()));
  EXPECT_EQ(members[part->rank()], plane.rank());
  EXPECT_EQ(part->max(plane.rank()), members.back());
  EXPECT_EQ(part->min(plane.rank()), members.front());
  const auto alone = part->split(part->rank());
  EXPECT_EQ(alone->size(), 1);
  EXPECT_EQ(alone->max(plane.rank()), plane.rank());
  part->barrier();
}

/// What every implementation must do, called on every rank of `plane`.
inline void expect_conformance(ControlPlane& plane) {
  plane.barrier();
  expect_max_and_min(plane);
  expect_broadcast(plane);
  plane.wait_for_all();
  expect_split(plane, [](int rank, int) { return rank / 2; });  // contiguous pairs
  expect_split(plane, [](int rank, int size) { return rank % (size / 2 + size % 2); });  // strided
  expect_split(plane, [](int, int) { return 5; });  // all together
  plane.barrier();
}

}  // namespace moecal::testing
