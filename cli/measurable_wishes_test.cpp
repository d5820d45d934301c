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

}  // namespace
}  // namespace moecal::cli
