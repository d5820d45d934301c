// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/breakdown.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planning/testing/one_claim.hpp"

namespace moecal::planning {
namespace {

using testing::ElementsAre;

TEST(Breakdown, ByOperationWithCallsAndShares) {
  OneClaim one;
  one.claim.checkability = "measured";
  one.claim.unit = "ms";
  one.claim.comparison.value = 1;
  one.claim.formula = "1e3*(32*2*all_to_all(1e6, 2, nvlink) + all_reduce(64e6, 2, nvlink))";
  const auto source = fake_measurements(1e-9);
  const auto card = card_with(source);
  const auto result = one.check(&card);
  const auto shares = breakdown(result.main, one.claim.unit);
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0].operation, "all_to_all");
  EXPECT_NEAR(shares[0].calls, 64, 1e-6);
  EXPECT_NEAR(shares[0].seconds, 0.064, 1e-9);
  EXPECT_NEAR(shares[0].share, 0.5, 1e-9);
  EXPECT_NEAR(shares[1].calls, 1, 1e-6);
  EXPECT_THAT(shares[1].models, ElementsAre("model-all_reduce"));
  ASSERT_TRUE(replacement(result));
  EXPECT_NEAR(replacement(result)->value, 128, 1e-6);
}

TEST(Breakdown, AContradictionOffersWhatItComputed) {
  OneClaim one;
  one.claim.formula = "2";
  EXPECT_FALSE(replacement(one.check()));
  one.add_finding("consistency", "stated", "3");
  EXPECT_EQ(replacement(one.check())->value, 3);
  EXPECT_FALSE(replacement(one.check())->interval);
}

}  // namespace
}  // namespace moecal::planning
