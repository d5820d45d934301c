// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/single_calls.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "bench/testing/fake_world.hpp"

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

// Ranks 0, 1, 2 spend 5, 2 and 9 ms in each call: rank 1 came last and waited for nobody.
TEST(SingleCallsOfAPoint, TellsTransferFromSkewAndNamesTheLateRank) {
  for (const auto& o : FakeWorld{}.measure<3>(spending({5e-3, 2e-3, 9e-3}))) {
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    EXPECT_NEAR(o.seconds(), 9e-3, 1e-9);
    EXPECT_EQ(o.sample.iterations_per_sample, 3);
    ASSERT_EQ(o.skew_s.size(), 100U);
    EXPECT_NEAR(o.transfer_s[0], 2e-3, 1e-9);
    EXPECT_NEAR(o.skew_s[0], 7e-3, 1e-9);
    EXPECT_EQ(o.late_rank, std::vector<int>(100, 1));
    EXPECT_EQ(o.call_s.size(), 100U);
    EXPECT_NEAR(o.call_s[0], 9e-3, 1e-9);
  }
}

// Ranks with fewer rows are done sooner: that is no lateness.
TEST(SingleCallsOfAPoint, RecordsNoSkewWhereRanksDoNotLeaveACallTogether) {
  for (const char* operation : {"all_to_all_v", "broadcast", "send_recv"})
    for (const auto& o : FakeWorld{operation}.measure<3>(spending({5e-3, 2e-3, 9e-3}))) {
      EXPECT_EQ(o.skew_s.size() + o.transfer_s.size() + o.late_rank.size(), 0U) << operation;
      EXPECT_FALSE(o.call_s.empty()) << operation;
    }
}

// A collective as ranks see it: nobody leaves before all have come and the slowest has done its
// part.
struct FakeCollective final : FakeTrial {
  FakeCollective(ControlPlane& world, FakePoint& point, double transfer_s)
      : FakeTrial{point.time, {}}, world_{world}, time_{point.time}, transfer_s_{transfer_s} {}
  void launch(int, Stream) override {
    time_.now_s = world_.max(time_.now_s) + world_.max(transfer_s_);
  }
  ControlPlane& world_;
  FakeTime& time_;
  double transfer_s_;
};

// A rank whose fake time goes on with a moment that all agree on; `delayed` starts later.
FakeWorld on_one_clock(int delayed, double delay_s) {
  return {.prepare = [=](ControlPlane& world, FakePoint& point) {
    const double own_delay = world.rank() == delayed ? delay_s : 0;
    point.setup.host_time = {[&point] { return point.time.now_s; },
                             [&point, own_delay](double moment) {
                               point.time.now_s = std::max(point.time.now_s, moment) + own_delay;
                             },
                             "fake"};
  }};
}

FakeWorld::MakeTrial collective(int slow, double slow_s) {
  return [=](ControlPlane& world, FakePoint& point) {
    return std::make_unique<FakeCollective>(world, point, world.rank() == slow ? slow_s : 200e-6);
  };
}

TEST(SingleCallsOfAPoint, ReportsADelayedStartAsSkewAndLeavesTheTransfer) {
  for (const auto& o : on_one_clock(2, 200e-6).measure<4>(collective(-1, 0))) {
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    EXPECT_NEAR(o.seconds(), 200e-6, 1e-9);
    ASSERT_GE(o.skew_s.size(), 20U);
    for (std::size_t call = 0; call < o.skew_s.size(); ++call) {
      EXPECT_NEAR(o.skew_s[call], 200e-6, 1e-9);
      EXPECT_NEAR(o.transfer_s[call], 200e-6, 1e-9);
      EXPECT_EQ(o.late_rank[call], 2);
    }
  }
}

TEST(SingleCallsOfAPoint, ReportsASlowRankAsTransferAndNamesNobody) {
  for (const auto& o : on_one_clock(-1, 0).measure<4>(collective(1, 600e-6))) {
    ASSERT_EQ(o.outcome, Outcome::measured) << o.reason;
    EXPECT_NEAR(o.seconds(), 600e-6, 1e-9);
    EXPECT_NEAR(o.transfer_s.at(0), 600e-6, 1e-9);
    EXPECT_NEAR(o.skew_s.at(0), 0, 1e-9);
    EXPECT_EQ(o.late_rank.at(0), -1);
  }
}

}  // namespace
}  // namespace moecal::bench
