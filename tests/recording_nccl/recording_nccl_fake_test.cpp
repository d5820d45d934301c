// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include "tests/recording_nccl/recording_nccl_ranks.hpp"

namespace moecal::collectives {
namespace {

/// Every rank's status of a raw call on the communicator of all ranks.
std::vector<ncclResult_t> statuses(
    const std::function<ncclResult_t(ncclComm_t, int rank, const DeviceRank&)>& call) {
  std::vector<ncclResult_t> found(kWorld, ncclSuccess);
  const auto problems = on_ranks([&](ControlPlane& world) {
    NcclGroups groups;
    ncclComm_t group = groups.of(kAll, world).handle;
    const DeviceRank mine = device_rank(kAllReduce, kShape, world.rank());
    found[world.rank()] = call(group, world.rank(), mine);
  });
  EXPECT_THAT(problems, Each(""));
  return found;
}

TEST_F(RecordingNccl, TheFakeRefusesMessagesOutsideAGroup) {
  EXPECT_THAT(statuses([](ncclComm_t group, int rank, const DeviceRank& mine) {
                return ncclSend(mine.send.data(), 8, ncclFloat32, (rank + 1) % kWorld, group,
                                mine.stream.get());
              }),
              Each(ncclInvalidUsage));
  EXPECT_THAT(statuses([](ncclComm_t group, int rank, const DeviceRank& mine) {
                return ncclRecv(mine.receive.data(), 8, ncclFloat32, (rank + 1) % kWorld, group,
                                mine.stream.get());
              }),
              Each(ncclInvalidUsage));
}

TEST_F(RecordingNccl, TheFakeRefusesASendThatNobodyReceives) {
  EXPECT_THAT(
      statuses([](ncclComm_t group, int, const DeviceRank& mine) {
        static_cast<void>(ncclGroupStart());
        static_cast<void>(ncclSend(mine.send.data(), 8, ncclFloat32, 0, group, mine.stream.get()));
        return ncclGroupEnd();
      }),
      Each(ncclInvalidUsage));
}

TEST_F(RecordingNccl, TheFakeRefusesCallsThatDiffer) {
  EXPECT_THAT(statuses([](ncclComm_t group, int rank, const DeviceRank& mine) {
                return ncclAllReduce(mine.send.data(), mine.receive.data(), rank == 2 ? 7U : 8U,
                                     ncclFloat32, ncclSum, group, mine.stream.get());
              }),
              Each(ncclInvalidUsage));
}

TEST_F(RecordingNccl, TheFakeRefusesWhatReachesOutsideABuffer) {
  EXPECT_THAT(statuses([](ncclComm_t group, int, const DeviceRank& mine) {
                return ncclAlltoAll(mine.send.data(), mine.receive.data(), 9, ncclFloat32, group,
                                    mine.stream.get());
              }),
              Each(ncclInvalidArgument));
}

TEST_F(RecordingNccl, TheFakeNoticesASecondEnd) {
  ncclUniqueId id{};
  ncclComm_t alone = nullptr;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ASSERT_EQ(ncclCommInitRank(&alone, 1, id, 0), ncclSuccess);
  EXPECT_EQ(ncclCommDestroy(alone), ncclSuccess);
  EXPECT_EQ(ncclCommAbort(alone), ncclInvalidArgument);
  EXPECT_EQ(fake_nccl().ended_twice(), 1);
  tests::reset_fake_nccl();
}

TEST_F(RecordingNccl, TheRealLibraryIsNotThere) {
  EXPECT_EQ(dlopen("libnccl.so.2", RTLD_LAZY | RTLD_NOLOAD), nullptr)
      << "a function that the fake lacks came from the real NCCL";
}

}  // namespace
}  // namespace moecal::collectives
