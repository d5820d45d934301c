// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/common_start.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "tests/thread_plane.hpp"

namespace moecal::bench {
namespace {

// Rank 1's clock is 40 s ahead, and messages take a millisecond: what that leaves open is the
// floor.
TEST(CommonStart, BoundsTheOffsetOfAnotherClock) {
  constexpr double kAhead = 40;
  std::array<double, 2> errors{}, waited_for{};
  testing::agreeing_ranks(2, [&](ControlPlane& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const HostTime real = steady_host_time();
    const double ahead = rank == 1 ? kAhead : 0;
    const HostTime own{[=] { return real.now() + ahead; },
                       [&](double moment) { waited_for[rank] = moment - ahead; },
                       rank == 1 ? "there" : "here"};
    CommonStart start{world, own};
    EXPECT_TRUE(start.wait(true));
    errors[rank] = start.error().count();
    EXPECT_FALSE(start.wait(rank == 1)) << "rank 0 decides";
  });
  EXPECT_GT(errors[1], 0);
  EXPECT_LE(std::abs(waited_for[0] - waited_for[1]), errors[0] + errors[1] + 1e-9);
}

TEST(CommonStart, LosesNothingToTheClockOfOneKernel) {
  std::array<double, 3> waited_for{};
  testing::agreeing_ranks(3, [&](ControlPlane& world) {
    HostTime time = steady_host_time();
    time.wait_until = [&](double moment) {
      waited_for[static_cast<std::size_t>(world.rank())] = moment;
    };
    CommonStart start{world, time};
    EXPECT_TRUE(start.wait(true));
  });
  EXPECT_EQ(waited_for, (std::array<double, 3>{waited_for[0], waited_for[0], waited_for[0]}));
}

// The moment lies ahead of the last rank to come, not of rank 0 alone.
TEST(CommonStart, WaitsForALateRank) {
  constexpr double kLate = 5;
  std::array<double, 2> waited_for{};
  testing::agreeing_ranks(2, [&](ControlPlane& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const double now = rank == 1 ? kLate : 0;
    CommonStart start{world,
                      {[=] { return now; },
                       [&waited_for, rank](double moment) { waited_for[rank] = moment; }, "one"}};
    EXPECT_TRUE(start.wait(true));
    EXPECT_EQ(start.error().count(), 0);
  });
  EXPECT_GT(waited_for[0], kLate);
  EXPECT_EQ(waited_for[0], waited_for[1]);
}

}  // namespace
}  // namespace moecal::bench
