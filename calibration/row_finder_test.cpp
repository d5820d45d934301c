// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/row_finder.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace moecal::calibration {
namespace {

/// What a search from the end finds.
std::size_t searched(const std::vector<double>& begins, double size) {
  const auto after = std::upper_bound(begins.begin(), begins.end(), size);
  return static_cast<std::size_t>(after - begins.begin()) - 1;
}

TEST(RowFinder, FindsWhatASearchFinds) {
  const std::vector<std::vector<double>> tables{
      {512},
      {512, 1024, 2048, 4096},
      {0.3, 0.7, 1, 1.5, 1.6, 1.7, 1000, 1001, 65537},  // several rows a doubling, and none
      {3, 4194304}};
  for (const auto& begins : tables) {
    const RowFinder finder{begins};
    for (const double begin : begins)
      for (const double factor : {1.0, 1 + 1e-15, 1.001, 1.4, 2.0, 3.0, 1e6})
        EXPECT_EQ(finder.row(begin * factor), searched(begins, begin * factor))
            << begin << " x " << factor;
  }
}

TEST(RowFinder, OfNoRowsIsEmpty) {
  EXPECT_TRUE(RowFinder{}.empty());
  EXPECT_TRUE(RowFinder{{}}.empty());
  EXPECT_FALSE(RowFinder{{1.0}}.empty());
}

}  // namespace
}  // namespace moecal::calibration
