// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/join.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

namespace moecal {
namespace {

TEST(Join, PutsSeparatorsBetweenElementsOnly) {
  EXPECT_EQ(join(std::vector<std::string>{}), "");
  EXPECT_EQ(join(std::set<std::string>{"one"}), "one");
  EXPECT_EQ(join(std::set<std::string>{"b", "a"}), "a, b");
  EXPECT_EQ(join(std::vector<std::string>{"", "a", ""}, "; "), "; a; ") << "empty ones count";
}

TEST(Join, TakesWholeNumbers) { EXPECT_EQ(join(std::vector<int>{8, -4}), "8, -4"); }

TEST(Join, AsksWhatToSayOfAnElement) {
  const std::map<std::string, int> point{{"k", 2}, {"m", 1}};
  EXPECT_EQ(
      join(point, " ", [](const auto& each) { return each.first + std::to_string(each.second); }),
      "k2 m1");
}

}  // namespace
}  // namespace moecal
