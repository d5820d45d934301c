// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/single_calls.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace moecal::bench {
namespace {

TEST(SingleCalls, NameNobodyWhereTheStartMayBeToBlame) {
  SingleCalls calls;
  const std::vector<double> seconds{5e-3, 4.9e-3, -1}, groups{0, 0, 0};
  add_call(calls, {seconds, groups, 50e-6});
  add_call(calls, {seconds, groups, 150e-6});
  EXPECT_EQ(calls.late_rank, (std::vector<int>{1, -1}));
  EXPECT_EQ(calls.skew_floor_s, (std::vector<double>{50e-6, 150e-6}));
}

}  // namespace
}  // namespace moecal::bench
