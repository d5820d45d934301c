// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/validity.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace moecal::calibration {
namespace {

TEST(Validity, HoldsTheLeastAndTheLargestOfEachNumber) {
  Validity validity;
  widen(validity, {{"m", 8}, {"k", 3}});
  widen(validity, {{"m", 2}});
  EXPECT_EQ(validity, (Validity{{"m", {2, 8}}, {"k", {3, 3}}}));
}

TEST(Validity, CountsDoublingsOutsideOfAllNumbersTogether) {
  const Validity validity{{"m", {2, 8}}, {"k", {4, 4}}};
  EXPECT_DOUBLE_EQ(doublings_outside(validity, {{"m", 5}, {"k", 4}}), 0);
  EXPECT_DOUBLE_EQ(doublings_outside(validity, {{"m", 32}, {"k", 4}}), 2);
  EXPECT_DOUBLE_EQ(doublings_outside(validity, {{"m", 1}, {"k", 16}}), 3);
  EXPECT_DOUBLE_EQ(doublings_outside(validity, {{"m", 5}, {"unknown", 99}}), 0);
  EXPECT_DOUBLE_EQ(times_outside({2, 8}, 0), 4) << "0 counts as a half";
}

TEST(Validity, LeftOutPointsSpeakOfAsFarAsTheyLay) {
  // Left out, 1 is two doublings below the others, 8 one above.
  const std::vector<Point> measured{{{"m", 1}}, {{"m", 4}}, {{"m", 8}}};
  EXPECT_DOUBLE_EQ(doublings_beyond(measured, {{"m", 5}}), 0);
  EXPECT_DOUBLE_EQ(doublings_beyond(measured, {{"m", 32}}), 0);
  EXPECT_DOUBLE_EQ(doublings_beyond(measured, {{"m", 64}}), 1);
  EXPECT_DOUBLE_EQ(doublings_beyond(std::span{measured}.first(1), {{"m", 4}}), 2);
}

}  // namespace
}  // namespace moecal::calibration
