// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measurable_wishes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

calibration::Wish wish(const std::string& operation) { return {{.operation = operation}}; }

TEST(MeasurableWishes, AreKeptAndTheOthersNamed) {
  constexpr std::array<std::string_view, 2> kOperations{"expert_gemm", "all_reduce"};
  std::vector<calibration::Wish> wishes{wish("tea"), wish("all_reduce"), wish("coffee"),
                                        wish("tea")};
  EXPECT_EQ(drop_unmeasurable(wishes, kOperations), "coffee (1), tea (2)");
  ASSERT_EQ(wishes.size(), 1U);
  EXPECT_EQ(wishes.front().query.operation, "all_reduce");
  EXPECT_EQ(drop_unmeasurable(wishes, kOperations), "");
  wishes = {wish("tea")};
  EXPECT_THAT([&] { (void)drop_unmeasurable(wishes, kOperations); },
              testing::ThrowsMessage<InvalidInput>(
                  "no benchmark program measures what these claims need: tea (1)"));
}

calibration::Wish collective(std::int64_t bytes, int group, const std::string& tier) {
  return {{.operation = "all_reduce", .point = {{"bytes", bytes}}, .group = group, .tier = tier}};
}

// A node of a100-64 has four cards of 64 GB.
TEST(MeasurableWishes, AreOfCallsThatTheCardCanMake) {
  constexpr std::int64_t kGiB = std::int64_t{1} << 30;
  std::vector<calibration::Wish> wishes{collective(1024, 4, "intra"), collective(1024, 8, "intra"),
                                        collective(1024, 8, "intra"), collective(1024, 10, "inter"),
                                        collective(15 * kGiB, 4, "intra")};
  const auto dropped = drop_what_does_not_fit(wishes, "a100-64");
  ASSERT_EQ(dropped.size(), 2U);
  EXPECT_EQ(dropped[0].call, "all_reduce bytes=1024 over 8");
  EXPECT_THAT(dropped[0].reason, testing::HasSubstr("a node of a100-64 has 4 devices"));
  EXPECT_THAT(dropped[1].reason, testing::HasSubstr("buffers are more than half the memory"));
  ASSERT_EQ(wishes.size(), 2U);
  EXPECT_EQ(wishes[1].query.nodes, 3);
  wishes = {collective(1024, 8, "intra")};
  EXPECT_EQ(drop_what_does_not_fit(wishes, "cpu-of-no-sheet").size(), 0U);
  EXPECT_THAT([&] { (void)drop_what_does_not_fit(wishes, "a100-64"); },
              testing::ThrowsMessage<InvalidInput>(testing::HasSubstr("crosses nodes")));
}

}  // namespace
}  // namespace moecal::cli
