// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdlib>

#include "bench/clock.hpp"
#include "tests/recording_nccl/recording_nccl_ranks.hpp"

namespace moecal::collectives {
namespace {

using ::testing::AllOf;
using ::testing::StartsWith;

std::vector<std::string> problems_of(const Collective& collective) {
  return on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    const NcclCommunicator group = groups.of(kAll, world);
    const DeviceRank mine = device_rank(collective, kShape, world.rank());
    collective.run(kShape, mine.tensors(), group, mine.stream.get());
    check_async_error(group, collective.name);
  });
}

TEST_F(RecordingNccl, AFailedCallNamesItselfItsBytesAndTheRank) {
  fake_nccl().faults = {{"ncclAllReduce", 2}, {"ncclAlltoAll", 2}, {"ncclGroupEnd", 2}};
  EXPECT_THAT(
      problems_of(kAllReduce)[2],
      HasSubstr("ncclAllReduce of 128 bytes on rank 2 of a group of 4 failed: NCCL said some "
                "other error (the fake says so)"));
  EXPECT_THAT(problems_of(kAllToAll)[2],
              HasSubstr("ncclAlltoAll of 128 bytes on rank 2 of a group of 4 failed"));
  const auto problems = problems_of(kAllToAllSendRecv);
  EXPECT_THAT(problems[2],
              HasSubstr("ncclGroupEnd of an all-to-all of 128 bytes on rank 2 of a group of 4"));
  for (const int other : {0, 1, 3})
    EXPECT_THAT(problems[other], HasSubstr("(rank 2 never made the call)"));
}

TEST_F(RecordingNccl, AFailedSendClosesTheGroup) {
  fake_nccl().faults = {{"ncclSend", 1, ncclInvalidArgument}};
  EXPECT_THAT(
      problems_of(kAllToAllSendRecv)[1],
      HasSubstr("ncclSend of 32 bytes with rank 0 on rank 1 of a group of 4 failed: NCCL said "
                "invalid argument"));
  const auto ends = fake_nccl().calls(1, "ncclGroupEnd");
  ASSERT_EQ(ends.size(), 1U);
  EXPECT_EQ(ends[0].group_depth, 1);
}

/// Each rank times one batch of all-reduces as the sampler does.
std::vector<std::string> problems_of_a_batch(int launches) {
  return on_ranks([=](ControlPlane& world) {
    const auto benchmark = bench::make_all_reduce();
    bench::Context context{world, 0};
    const auto trial = benchmark->make_trial({"nccl", "nccl"}, case_of(kShape, kAll), context);
    trial->prepare(1);
    const auto clock = bench::make_cuda_event_clock();
    clock->watch([&](Seconds waited) { trial->check_progress(waited); });
    static_cast<void>(clock->time([&] {
      for (int i = 0; i < launches; ++i) {
        trial->launch(0, clock->stream());
        EXPECT_EQ(fake_nccl().questions(world.rank()), 0) << "launches are timed";
      }
    }));
    EXPECT_GT(fake_nccl().questions(world.rank()), 0);
  });
}

TEST_F(RecordingNccl, ABatchAsksForErrorsWhenItsLaunchesAreDone) {
  EXPECT_THAT(problems_of_a_batch(3), Each(""));
}

TEST_F(RecordingNccl, AnErrorThatCameLaterNamesTheOperationAndTheRank) {
  fake_nccl().faults = {{"ncclAllReduce", 3, ncclRemoteError, true}};
  const auto problems = problems_of_a_batch(1);
  EXPECT_THAT(problems[3], HasSubstr("all_reduce of 128 bytes on rank 3 of a group of 4 "
                                     "failed: NCCL said remote process exited"));
  for (const int other : {0, 1, 2}) EXPECT_EQ(problems[other], "");
  EXPECT_EQ(fake_nccl().calls(3, "ncclCommAbort").size(), 1U) << "the group's";
  EXPECT_EQ(fake_nccl().calls(3, "ncclCommDestroy").size(), 1U) << "the world's";
  EXPECT_EQ(fake_nccl().calls(0, "ncclCommDestroy").size(), 2U);
}

class RecordingNcclBuffers : public RecordingNccl,
                             public ::testing::WithParamInterface<const char*> {};

/// Each rank verifies a call after one that went well; the second is to fail on rank 3.
TEST_P(RecordingNcclBuffers, AnErrorOfTheVerifiedCallGivesTheCommunicatorUpAndEndsTheLaunch) {
  std::array<bool, kWorld> lost{};
  const auto problems = on_ranks([&](ControlPlane& world) {
    const auto benchmark = bench::make_all_reduce();
    bench::Context context{world, 0};
    const auto trial = benchmark->make_trial({GetParam(), "nccl"}, case_of(kShape, kAll), context);
    trial->prepare(1);
    trial->launch(0, nullptr);
    world.barrier();
    if (world.rank() == 0) fake_nccl().faults = {{"ncclAllReduce", 3, ncclRemoteError, true}};
    world.barrier();
    try {
      static_cast<void>(trial->verify());
    } catch (const RankLost&) {
      lost[static_cast<std::size_t>(world.rank())] = true;
      EXPECT_EQ(fake_nccl().calls(3, "ncclCommAbort").size(), 2U)
          << "the group's and the world's, before buffers are freed";
    }
  });
  EXPECT_THAT(problems, Each(""));
  EXPECT_EQ(lost, (std::array<bool, kWorld>{false, false, false, true}));
  EXPECT_EQ(fake_nccl().calls(3, "ncclCommAbort").size(), 2U) << "not twice";
  EXPECT_THAT(fake_nccl().calls(3, "ncclCommDeregister"), IsEmpty()) << "of what was aborted";
  EXPECT_THAT(fake_nccl().calls(3, "ncclCommWindowDeregister"), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Buffers, RecordingNcclBuffers,
                         ::testing::Values("nccl", "nccl_registered", "nccl_symmetric"));

TEST_F(RecordingNccl, AnErrorEndsTheWaitForADeviceThatIsStuck) {
  fake_nccl().faults = {{"ncclAllReduce", 3, ncclRemoteError, true}};
  fake_cuda().stuck = true;
  ASSERT_EQ(setenv("MOECAL_TIMEOUT_S", "1", 1), 0);
  const auto problems = problems_of_a_batch(1);
  unsetenv("MOECAL_TIMEOUT_S");
  fake_cuda().stuck = false;
  EXPECT_THAT(problems[3], HasSubstr("NCCL said remote process exited"));
  for (const int other : {0, 1, 2})
    EXPECT_EQ(problems[other],
              "all_reduce of 128 bytes on rank " + std::to_string(other) +
                  " of a group of 4 did not end within 1 s ($MOECAL_TIMEOUT_S): another rank of "
                  "the group may be gone or stuck");
  for (const int other : {0, 1, 2}) {  // NCCL saw nothing wrong, and would wait for the device
    EXPECT_EQ(fake_nccl().calls(other, "ncclCommAbort").size(), 2U) << "the group's, the world's";
    EXPECT_EQ(fake_nccl().calls(other, "ncclCommDestroy").size(), 0U);
  }
}

/// A plane whose launch somebody else may end.
class WatchedRank final : public ControlPlane {
 public:
  explicit WatchedRank(ControlPlane& plane) : plane_{plane} {}
  [[nodiscard]] int rank() const override { return plane_.rank(); }
  [[nodiscard]] int size() const override { return plane_.size(); }
  void barrier() override { plane_.barrier(); }
  using ControlPlane::max;
  void max(std::span<double> values) override { plane_.max(values); }
  void broadcast(std::span<char> bytes, int root) override { plane_.broadcast(bytes, root); }
  [[nodiscard]] std::unique_ptr<ControlPlane> split(int colour) override {
    return plane_.split(colour);
  }
  void at_early_end(std::function<void()> last_act) override { last_act_ = std::move(last_act); }
  [[noreturn]] void abort(int status, const std::string& reason) override {
    plane_.abort(status, reason);
    std::abort();  // the base does not promise to end the process
  }
  std::function<void()> last_act_;

 private:
  ControlPlane& plane_;
};

TEST_F(RecordingNccl, AbortsEveryCommunicatorWhenTheLaunchEnds) {
  const auto problems = on_ranks([](ControlPlane& plane) {
    WatchedRank world{plane};
    auto groups = std::make_unique<NcclGroups>();
    const NcclCommunicator group = groups->of(kAll, world);
    groups->check_progress(group, "all_reduce", Seconds{0});
    std::jthread{world.last_act_};  // as the watchdog's
    EXPECT_EQ(fake_nccl().calls(world.rank(), "ncclCommDestroy").size(), 0U);
    try {
      groups->check_progress(group, "all_reduce", Seconds{0});
      ADD_FAILURE() << "a communicator that was aborted was asked";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(),
                   "all_reduce: its communicator was aborted because the launch ends");
    }
    groups.reset();
    world.last_act_();  // too late to end anything
  });
  EXPECT_THAT(problems, Each(""));
  EXPECT_EQ(fake_nccl().calls(-1, "ncclCommAbort").size(), 2U * kWorld) << "by another thread";
}

TEST_F(RecordingNccl, WhatStaysInProgressIsGivenUp) {
  fake_nccl().polls_in_progress = 1 << 30;
  ASSERT_EQ(setenv("MOECAL_TIMEOUT_S", "1", 1), 0);
  const auto problems = problems_of(kAllReduce);
  unsetenv("MOECAL_TIMEOUT_S");
  for (int rank = 0; rank < kWorld; ++rank) {
    EXPECT_EQ(problems[rank],
              "rank 0: ncclCommInitRank on rank 0 of a group of 4 is still in progress after 1 s "
              "($MOECAL_TIMEOUT_S)");
    EXPECT_EQ(fake_nccl().calls(rank, "ncclCommAbort").size(), 1U);
  }
}

/// Two attempts to make a group; the fault is gone before the second, which must succeed on all.
std::vector<std::string> first_of_two_attempts(const NcclFault& fault) {
  fake_nccl().faults = {fault};
  std::vector<std::string> first(kWorld);
  const auto second = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    try {
      static_cast<void>(groups.of(kAll, world));
    } catch (const Error& error) {
      first[world.rank()] = error.what();
    }
    world.barrier();
    if (world.rank() == 0) fake_nccl().faults.clear();
    world.barrier();
    expect_oracle(kAllReduce, kShape, kAll, world, groups);
  });
  EXPECT_THAT(second, Each(""));
  return first;
}

TEST_F(RecordingNccl, AllRanksFailTogetherWithoutAnIdentity) {
  EXPECT_THAT(first_of_two_attempts({"ncclGetUniqueId", -1}),
              Each(HasSubstr("rank 0: ncclGetUniqueId on rank 0 failed: NCCL said")));
}

/// That `what` failed on rank 0, which waited for `broken`, and why it did on that rank.
auto tells_both(const std::string& what, int broken) {
  const std::string rank = std::to_string(broken);
  const auto failed = [&](const std::string& on) {
    return "rank " + on + ": " + what + " on rank " + on +
           " of a group of 4 failed: NCCL said some other error (";
  };
  return AllOf(StartsWith(failed("0") + "rank " + rank + " never made the call)"),
               HasSubstr("; " + failed(rank) + "the fake says so)"));
}

TEST_F(RecordingNccl, AllRanksFailTogetherWhenOneCannotJoin) {
  EXPECT_THAT(first_of_two_attempts({"ncclCommInitRank", 1}),
              Each(tells_both("ncclCommInitRank", 1)));
}

TEST_F(RecordingNccl, AllRanksFailTogetherWhenOneCannotSplit) {
  EXPECT_THAT(first_of_two_attempts({"ncclCommSplit", 3}),
              Each(tells_both("ncclCommSplit into groups of 4", 3)));
}

}  // namespace
}  // namespace moecal::collectives
