// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/transfer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/testing/made_up_cards.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

using synthetic::card;
using synthetic::gemm;
using synthetic::twins;
using testing::Each;
using testing::Field;

TEST(LeaveOneCardOut, ScoresEachCardFromTheOthers) {
  const auto scores = leave_one_card_out(twins());
  EXPECT_FALSE(scores.empty());
  EXPECT_THAT(scores, Each(Field(&TransferScore::median_ape, testing::Lt(0.05))));
  EXPECT_THAT(scores, Each(Field(&TransferScore::coverage_90, 1.0)));
  auto donors = twins();
  const Card three = card("three", {});
  donors.push_back({three, {gemm(three, 5, 5)}});
  for (const auto& score : leave_one_card_out(donors)) {
    if (score.card != "three" || score.from != 512) continue;
    EXPECT_NEAR(score.median_ape, 0.75, 0.05) << "a quarter of what it takes";
  }
  EXPECT_THROW((void)leave_one_card_out(std::vector{twins().front()}), InvalidInput);
}
}  // namespace
}  // namespace moecal::calibration
