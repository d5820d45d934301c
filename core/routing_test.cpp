// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/routing.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "core/error.hpp"
#include "core/routing_loads.hpp"

namespace moecal {
namespace {

TEST(Routing, IsTheSameOnEveryMachineAndAddsUp) {
  const auto draw = draw_routing({33, 8, 2}, {"uniform", 7, 1.2, 0});
  EXPECT_EQ(draw.offsets.back(), 66);
  for (int t = 0; t < 33; ++t) EXPECT_NE(draw.expert_of[2 * t], draw.expert_of[2 * t + 1]);
  EXPECT_EQ(draw_routing({33, 8, 2}, {"uniform", 7, 1.2, 0}).expert_of, draw.expert_of);
  EXPECT_EQ(draw_routing({8, 4, 1}, {"balanced", 1, 1.2, 0}).counts,
            (std::vector<std::int64_t>{2, 2, 2, 2}));
  EXPECT_THROW((void)draw_routing({8, 4, 5}, {}), InvalidInput);
}

std::vector<double> loads_in(const std::string& text) {
  std::istringstream stream{text};
  return read_expert_loads(stream, "loads.txt");
}

std::string why_no_loads(const std::string& text) {
  try {
    (void)loads_in(text);
    return "";
  } catch (const InvalidInput& error) {
    return error.what();
  }
}

TEST(ExpertLoads, AreOneNumberALineOrJson) {
  const std::vector<double> loads{12, 0, 3.5};
  EXPECT_EQ(loads_in("# layer 7\n12\n\n 0 \n3.5"), loads);
  EXPECT_EQ(loads_in(" [12, 0,\n 3.5]\n"), loads);
}

TEST(ExpertLoads, AreRefusedWithTheirLine) {
  EXPECT_EQ(why_no_loads("12\ntwelve\n"),
            "loads.txt:2: 'twelve' is no number: a line holds the load of one expert");
  EXPECT_EQ(why_no_loads("1\n2 3\n"),
            "loads.txt:2: '2 3' is no number: a line holds the load of one expert");
  EXPECT_NE(why_no_loads("1\n-2\n").find("loads.txt:2: "), std::string::npos);
  EXPECT_NE(why_no_loads("1\nnan\n").find("loads.txt:2: "), std::string::npos);
  EXPECT_NE(why_no_loads("[1, \"2\"]").find("is no number"), std::string::npos);
  EXPECT_NE(why_no_loads("[1, [2]]").find("is no number"), std::string::npos);
  EXPECT_NE(why_no_loads("[1, 2").find("begins as a JSON array"), std::string::npos);
  for (const char* nothing : {"", "\n# none\n", "0\n0\n", "[]"})
    EXPECT_EQ(why_no_loads(nothing), "'loads.txt' holds no expert's load over 0");
  EXPECT_THROW((void)read_expert_loads("/nowhere/loads"), InvalidInput);
}

TEST(Routing, FollowsRecordedLoads) {
  const RoutingSpec spec{"recorded", 3, 1.2, 0, {600, 0, 300, 100}};
  const auto counts = draw_routing({20'000, 4, 1}, spec).counts;
  EXPECT_NEAR(static_cast<double>(counts[0]), 12'000, 400);
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(static_cast<double>(counts[3]), 2'000, 200);
  EXPECT_EQ(draw_routing({100, 4, 3}, spec).counts[0], 100) << "three of three with a load";
}

TEST(Routing, RefusesRecordedLoadsThatDoNotFit) {
  const RoutingSpec spec{"recorded", 3, 1.2, 0, {600, 0, 300, 100}};
  EXPECT_THROW((void)draw_routing({8, 5, 1}, spec), InvalidInput) << "another number of experts";
  EXPECT_THROW((void)draw_routing({8, 4, 4}, spec), InvalidInput) << "one can never be chosen";
  EXPECT_THROW((void)draw_routing({8, 4, 1}, {"recorded", 3, 1.2, 0, {}}), InvalidInput);
}

TEST(Routing, PlacesRowsByExpertThenByToken) {
  const RoutingDraw draw{.tokens = 3,
                         .experts = 3,
                         .top_k = 2,
                         .expert_of = {2, 0, 2, 1, 2, 0},
                         .weight_of = {},
                         .counts = {2, 1, 3},
                         .offsets = {0, 2, 3, 6}};
  EXPECT_EQ(place_rows(draw, 0), (std::vector<std::int32_t>{3, 0, 4, 2, 5, 1}));
  EXPECT_EQ(place_rows(draw, 1), (std::vector<std::int32_t>{2, 0, -1, 1, -1, -1}));
  EXPECT_EQ(expert_capacity({3, 3, 2}, 0), 0);
  EXPECT_EQ(expert_capacity({3, 3, 2}, 1.2), 3);
}

}  // namespace
}  // namespace moecal
