// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_nccl/recording_nccl_ranks.hpp"

namespace moecal::collectives {
namespace {

class Oracle : public RecordingNccl, public ::testing::WithParamInterface<Collective> {};
INSTANTIATE_TEST_SUITE_P(Collectives, Oracle,
                         ::testing::Values(kAllGather, kAllReduce, kAllToAll, kAllToAllSendRecv,
                                           kBroadcast, kReduceScatter, kSendRecv),
                         [](const auto& parameter) { return parameter.param.name; });

TEST_P(Oracle, HoldsForEveryGroupTypeAndSize) {
  const auto problems = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    for (const GroupSpec& spec : group_specs(kWorld))
      for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::fp8_e4m3})
        for (const std::int64_t elements : {0, 1, 31, 33, 4099})
          expect_oracle(GetParam(), {elements * spec.group * size_of(dtype), dtype, spec.group},
                        spec, world, groups);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_P(Oracle, HoldsOnCommunicatorsThatDoNotBlock) {
  fake_nccl().polls_in_progress = 3;
  const auto problems = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    for (const GroupSpec& spec : group_specs(kWorld))
      expect_oracle(GetParam(), {spec.group * 33 * 2, Dtype::bf16, spec.group}, spec, world,
                    groups);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, OneWorldAndOneSplitPerWayToGroupIt) {
  const GroupSpec contiguous{kWorld, 2, Placement::contiguous, false};
  const GroupSpec strided{kWorld, 2, Placement::strided, false};
  const auto problems = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    for (GroupSpec spec : {contiguous, strided, kAll}) {
      const NcclCommunicator alone = groups.of(spec, world);
      spec.all_at_once = true;
      EXPECT_EQ(groups.of(spec, world).handle, alone.handle);
    }
  });
  EXPECT_THAT(problems, Each(""));
  EXPECT_EQ(fake_nccl().calls(-1, "ncclGetUniqueId").size(), 1U);
  for (int rank = 0; rank < kWorld; ++rank) {
    const auto joined = fake_nccl().calls(rank, "ncclCommInitRank");
    ASSERT_EQ(joined.size(), 1U);
    EXPECT_EQ(joined[0].rank, rank);
    EXPECT_EQ(joined[0].size, kWorld);
    const auto splits = fake_nccl().calls(rank, "ncclCommSplit");
    ASSERT_EQ(splits.size(), 3U);
    EXPECT_EQ(splits[0].colour, rank / 2);
    EXPECT_EQ(splits[0].key, rank % 2);
    EXPECT_EQ(splits[1].colour, rank % 2);
    EXPECT_EQ(splits[1].key, rank / 2);
    EXPECT_EQ(splits[2].colour, 0);
    EXPECT_EQ(splits[2].key, rank);
    EXPECT_EQ(fake_nccl().calls(rank, "ncclCommDestroy").size(), 4U);
    EXPECT_EQ(fake_nccl().calls(rank, "ncclCommAbort").size(), 0U);
  }
}

/// Runs a collective of the whole world once; `look` sees each rank's buffers and calls.
void run_and_look(
    const Collective& collective, const CollectiveShape& shape,
    const std::function<void(const DeviceRank&, const std::vector<RecordedNcclCall>&)>& look) {
  const auto problems = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    const NcclCommunicator group = groups.of(kAll, world);
    const auto before = fake_nccl().calls(world.rank()).size();
    const DeviceRank mine = device_rank(collective, shape, world.rank());
    collective.run(shape, mine.tensors(), group, mine.stream.get());
    auto calls = fake_nccl().calls(world.rank());
    calls.erase(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(before));
    look(mine, calls);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, AllReduceIsOneCallOfAllElements) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
    run_and_look(kAllReduce, {33 * size_of(dtype), dtype, kWorld},
                 [&](const DeviceRank& mine, const std::vector<RecordedNcclCall>& calls) {
                   ASSERT_EQ(calls.size(), 1U);
                   EXPECT_EQ(calls[0].function, "ncclAllReduce");
                   EXPECT_EQ(calls[0].count, 33U);
                   EXPECT_EQ(calls[0].type, nccl_dtype(dtype));
                   EXPECT_EQ(calls[0].reduction, ncclSum);
                   EXPECT_EQ(calls[0].send, mine.send.data());
                   EXPECT_EQ(calls[0].receive, mine.receive.data());
                   EXPECT_EQ(calls[0].stream, mine.stream.get());
                   EXPECT_EQ(calls[0].group_depth, 0);
                 });
}

TEST_F(RecordingNccl, AllToAllIsOneCallOfTheElementsOfABlock) {
  run_and_look(kAllToAll, {kWorld * 33 * 2, Dtype::bf16, kWorld},
               [](const DeviceRank& mine, const std::vector<RecordedNcclCall>& calls) {
                 ASSERT_EQ(calls.size(), 1U);
                 EXPECT_EQ(calls[0].function, "ncclAlltoAll");
                 EXPECT_EQ(calls[0].count, 33U);
                 EXPECT_EQ(calls[0].type, ncclBfloat16);
                 EXPECT_EQ(calls[0].send, mine.send.data());
                 EXPECT_EQ(calls[0].receive, mine.receive.data());
                 EXPECT_EQ(calls[0].stream, mine.stream.get());
               });
}

/// A call that moves `count` elements from this rank's buffer to this rank's buffer.
void expect_one_call(const Collective& collective, const std::string& function, std::size_t count) {
  run_and_look(collective, {kWorld * 33 * 2, Dtype::bf16, kWorld},
               [&](const DeviceRank& mine, const std::vector<RecordedNcclCall>& calls) {
                 ASSERT_EQ(calls.size(), 1U);
                 EXPECT_EQ(calls[0].function, function);
                 EXPECT_EQ(calls[0].count, count);
                 EXPECT_EQ(calls[0].type, ncclBfloat16);
                 EXPECT_EQ(calls[0].send, mine.send.data());
                 EXPECT_EQ(calls[0].receive, mine.receive.data());
                 EXPECT_EQ(calls[0].stream, mine.stream.get());
                 EXPECT_EQ(calls[0].root, function == "ncclBroadcast" ? 0 : -1);
               });
}

TEST_F(RecordingNccl, TheOthersAreOneCallEach) {
  expect_one_call(kAllGather, "ncclAllGather", 33);
  expect_one_call(kReduceScatter, "ncclReduceScatter", 33);
  expect_one_call(kBroadcast, "ncclBroadcast", kWorld * 33);
}

TEST_F(RecordingNccl, SendRecvIsOneGroupOfAMessageToTheNextAndOneFromTheLast) {
  const auto problems = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    const NcclCommunicator group = groups.of(kAll, world);
    const DeviceRank mine = device_rank(kSendRecv, kShape, world.rank());
    send_recv_nccl(kShape, mine.tensors(), group, mine.stream.get());
    const auto sends = fake_nccl().calls(world.rank(), "ncclSend");
    const auto receives = fake_nccl().calls(world.rank(), "ncclRecv");
    ASSERT_EQ(sends.size(), 1U);
    ASSERT_EQ(receives.size(), 1U);
    EXPECT_EQ(sends[0].peer, (world.rank() + 1) % kWorld);
    EXPECT_EQ(receives[0].peer, (world.rank() + kWorld - 1) % kWorld);
    EXPECT_EQ(sends[0].count, 32U);
    EXPECT_EQ(sends[0].group_depth, 1);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, AnAllToAllOfSendRecvIsOneGroupOfAPairPerRank) {
  run_and_look(kAllToAllSendRecv, {kWorld * 33 * 2, Dtype::f16, kWorld},
               [](const DeviceRank& mine, const std::vector<RecordedNcclCall>& calls) {
                 ASSERT_EQ(calls.size(), 2U + 2 * kWorld);
                 EXPECT_EQ(calls.front().function, "ncclGroupStart");
                 EXPECT_EQ(calls.front().group_depth, 0);
                 EXPECT_EQ(calls.back().function, "ncclGroupEnd");
                 EXPECT_EQ(calls.back().group_depth, 1);
                 for (int peer = 0; peer < kWorld; ++peer) {
                   const auto& send = calls[static_cast<std::size_t>(1 + 2 * peer)];
                   const auto& receive = calls[static_cast<std::size_t>(2 + 2 * peer)];
                   EXPECT_EQ(send.function, "ncclSend");
                   EXPECT_EQ(send.send, mine.send.data() + peer * 33 * 2);
                   EXPECT_EQ(receive.function, "ncclRecv");
                   EXPECT_EQ(receive.receive, mine.receive.data() + peer * 33 * 2);
                   for (const auto& call : {send, receive}) {
                     EXPECT_EQ(call.peer, peer);
                     EXPECT_EQ(call.count, 33U);
                     EXPECT_EQ(call.type, ncclFloat16);
                     EXPECT_EQ(call.stream, mine.stream.get());
                     EXPECT_EQ(call.group_depth, 1);
                   }
                 }
               });
}

TEST_F(RecordingNccl, TypesAreThoseOfTheHeader) {
  EXPECT_EQ(nccl_dtype(Dtype::f32), ncclFloat32);
  EXPECT_EQ(nccl_dtype(Dtype::f16), ncclFloat16);
  EXPECT_EQ(nccl_dtype(Dtype::bf16), ncclBfloat16);
  EXPECT_EQ(nccl_dtype(Dtype::int8), ncclInt8);
  EXPECT_EQ(nccl_dtype(Dtype::int32), ncclInt32);
  EXPECT_EQ(nccl_dtype(Dtype::uint8), ncclUint8);
  EXPECT_EQ(nccl_dtype(Dtype::fp8_e4m3), ncclFloat8e4m3);
  EXPECT_EQ(nccl_dtype(Dtype::fp8_e5m2), ncclFloat8e5m2);
}

TEST_F(RecordingNccl, AnAllToAllVSendsWhatWasRoutedAndNothingElse) {
  // One token of rank 0 that goes to expert 0 and 1 of 8, and so on: some pairs have no rows.
  const auto exchange = draw_exchange({1, 8, 2}, {.distribution = "balanced"}, kWorld, 6);
  const CollectiveShape shape{.dtype = Dtype::bf16, .group = kWorld, .exchange = &exchange};
  const CollectiveBuffers sizes = all_to_all_v_buffers(shape);
  const auto problems = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    const NcclCommunicator group = groups.of(kAll, world);
    std::vector<std::byte> send(static_cast<std::size_t>(sizes.send));
    all_to_all_v_fill(shape, world.rank(), send);
    const DeviceRank mine{send, sizes.receive};
    all_to_all_v_nccl(shape, mine.tensors(), group, mine.stream.get());
    EXPECT_EQ(all_to_all_v_error(shape, world.rank(), mine.received()), 0);
    for (const auto* function : {"ncclSend", "ncclRecv"}) {
      const auto calls = fake_nccl().calls(world.rank(), function);
      ASSERT_EQ(calls.size(), 1U) << "both experts of a token are of one rank";
      EXPECT_EQ(calls[0].peer, world.rank());
      EXPECT_EQ(calls[0].count, 2U * 3);
      EXPECT_EQ(calls[0].type, ncclBfloat16);
    }
  });
  EXPECT_THAT(problems, Each(""));
}

}  // namespace
}  // namespace moecal::collectives
