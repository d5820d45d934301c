// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/overlap/overlap.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "core/error.hpp"

namespace moecal::layers {
namespace {

using namespace std::chrono_literals;

TEST(OverlapOnTheHost, RunsEachAlone) {
  int computed = 0, communicated = 0;
  const auto overlap =
      make_overlap_cpu({[&](Stream) { ++computed; }, [&](Stream) { ++communicated; }});
  overlap->launch_compute(nullptr);
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(communicated, 0);
  overlap->launch_communicate(nullptr);
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(communicated, 1);
}

// Each waits until the other has begun: one after the other they would not end.
TEST(OverlapOnTheHost, RunsBothAtOnce) {
  std::promise<void> computing, communicating;
  bool met = true;
  const auto meet = [&met](std::promise<void>& own, std::promise<void>& other) {
    own.set_value();
    if (other.get_future().wait_for(20s) != std::future_status::ready) met = false;
  };
  const auto overlap = make_overlap_cpu({[&](Stream) { meet(computing, communicating); },
                                         [&](Stream) { meet(communicating, computing); }});
  overlap->launch_both(nullptr);
  EXPECT_TRUE(met);
}

TEST(OverlapOnTheHost, CommunicatesOnTheCallersThread) {
  std::thread::id compute, communicate;
  const auto overlap =
      make_overlap_cpu({[&](Stream) { compute = std::this_thread::get_id(); },
                        [&](Stream) { communicate = std::this_thread::get_id(); }});
  overlap->launch_both(nullptr);
  EXPECT_EQ(communicate, std::this_thread::get_id());
  EXPECT_NE(compute, communicate);
}

TEST(OverlapOnTheHost, SumsEachOnesOwnTimeAndForgetsIt) {
  const auto overlap = make_overlap_cpu({[](Stream) { std::this_thread::sleep_for(2ms); },
                                         [](Stream) { std::this_thread::sleep_for(4ms); }});
  for (int i = 0; i < 3; ++i) overlap->launch_both_timed(nullptr);
  const OverlapTimes times = overlap->take_times();
  EXPECT_GE(times.compute, 6ms);
  EXPECT_GE(times.communicate, 12ms);
  EXPECT_EQ(overlap->take_times().compute, Seconds{0});
}

TEST(OverlapOnTheHost, ThrowsWhatEitherThrows) {
  const auto fail = [](Stream) { throw Error{"broken"}; };
  const auto pass = [](Stream) {};
  EXPECT_THROW(make_overlap_cpu({fail, pass})->launch_both(nullptr), Error);
  EXPECT_THROW(make_overlap_cpu({pass, fail})->launch_both(nullptr), Error);
  EXPECT_THROW(make_overlap_cpu({fail, pass})->launch_compute(nullptr), Error);
  int computed = 0;
  const auto once = make_overlap_cpu({[&](Stream) {
                                        if (++computed == 1) throw Error{"once"};
                                      },
                                      pass});
  EXPECT_THROW(once->launch_both(nullptr), Error);
  EXPECT_NO_THROW(once->launch_both(nullptr)) << "it goes on after a failure";
}

}  // namespace
}  // namespace moecal::layers
