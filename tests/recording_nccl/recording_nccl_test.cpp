// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_nccl/recording_nccl.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"
#include "collectives/all_gather/all_gather.hpp"
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/broadcast/broadcast.hpp"
#include "collectives/nccl_dtype.hpp"
#include "collectives/nccl_groups.hpp"
#include "collectives/reduce_scatter/reduce_scatter.hpp"
#include "collectives/send_recv/send_recv.hpp"
#include "core/element.hpp"
#include "core/error.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/local_ranks.hpp"
#include "tests/tcp_ranks.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_all_gather();
std::unique_ptr<Benchmark> make_all_reduce();
std::unique_ptr<Benchmark> make_all_to_all();
std::unique_ptr<Benchmark> make_all_to_all_v();
std::unique_ptr<Benchmark> make_broadcast();
std::unique_ptr<Benchmark> make_reduce_scatter();
std::unique_ptr<Benchmark> make_send_recv();
}  // namespace moecal::bench

namespace moecal::collectives {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LocalRanks;
using tests::fake_cuda;
using tests::fake_nccl;
using tests::NcclFault;
using tests::RecordedNcclCall;

constexpr int kWorld = 4;
constexpr CollectiveShape kShape{.bytes = 128, .dtype = Dtype::f32, .group = kWorld};
constexpr GroupSpec kAll{kWorld, kWorld, Placement::contiguous, false};

std::vector<std::string> on_ranks(const std::function<void(ControlPlane&)>& body) {
  return testing::on_tcp_ranks(kWorld, 20s, body);
}

class RecordingNccl : public ::testing::Test {
 protected:
  void SetUp() override { tests::reset_fake_nccl(); }
  void TearDown() override {
    EXPECT_EQ(fake_nccl().live_communicators(), 0);
    EXPECT_EQ(fake_nccl().ended_twice(), 0);
    EXPECT_EQ(fake_nccl().live_registrations(), 0);
    EXPECT_EQ(fake_cuda().live_graphs, 0);
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }
};

/// One rank's part of a collective in device memory: buffers of exactly its bytes, so that a call
/// that reaches further is refused.
struct DeviceRank {
  DeviceRank(std::span<const std::byte> data, std::int64_t to_receive)
      : send{to_device(data)}, receive{static_cast<std::size_t>(to_receive)} {}
  [[nodiscard]] CollectiveTensors tensors() const { return {send.data(), receive.data()}; }
  [[nodiscard]] std::vector<std::byte> received() const {
    std::vector<std::byte> host(receive.size());
    copy_bytes(host.data(), receive.data(), host.size());
    return host;
  }

  DeviceBuffer send;
  DeviceBuffer receive;
  CudaStream stream;
};

/// A collective, its oracle, and data that differ between all ranks of the launch.
struct Collective {
  std::string name;
  void (*run)(const CollectiveShape&, const CollectiveTensors&, NcclCommunicator, Stream);
  void (*oracle)(const CollectiveShape&, std::span<const CollectiveTensors>);
  void (*fill)(const CollectiveShape&, int rank, std::span<std::byte>);
  CollectiveBuffers (*buffers)(const CollectiveShape&);
};

// Small whole numbers: sums of four are exact in every type.
void fill_summands(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  const std::int64_t size = size_of(shape.dtype);
  const int period = shape.dtype == Dtype::fp8_e4m3 ? 5 : 23;
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    encode_element(shape.dtype, static_cast<double>((rank * 7 + i) % period), &send[i * size]);
}

// Data follow from the rank in the launch, so that groups differ.
CollectiveBuffers as_much(const CollectiveShape& shape) { return {shape.bytes, shape.bytes}; }
CollectiveBuffers one_block(const CollectiveShape& shape) {
  return {shape.bytes, shape.bytes / shape.group};
}

const Collective kAllReduce{"all_reduce", all_reduce_nccl, all_reduce_local, fill_summands,
                            as_much};
const Collective kAllToAll{"all_to_all", all_to_all_nccl, all_to_all_local, all_to_all_fill,
                           as_much};
const Collective kAllToAllSendRecv{"all_to_all_send_recv", all_to_all_nccl_send_recv,
                                   all_to_all_local, all_to_all_fill, as_much};
const Collective kAllGather{"all_gather", all_gather_nccl, all_gather_local, all_gather_fill,
                            all_gather_buffers};
const Collective kBroadcast{"broadcast", broadcast_nccl, broadcast_local, broadcast_fill, as_much};
const Collective kReduceScatter{"reduce_scatter", reduce_scatter_nccl, reduce_scatter_local,
                                fill_summands, one_block};
const Collective kSendRecv{"send_recv", send_recv_nccl, send_recv_local, broadcast_fill, as_much};

/// What rank `rank` of the launch must receive.
std::vector<std::byte> expected(const Collective& collective, const CollectiveShape& shape,
                                const GroupSpec& spec, int rank) {
  const Membership where = membership(spec, rank);
  const auto ranks = members(spec, where.index);
  LocalRanks local{shape.group, collective.buffers(shape)};
  for (std::size_t i = 0; i < ranks.size(); ++i) collective.fill(shape, ranks[i], local.send[i]);
  collective.oracle(shape, local.tensors());
  return local.receive[static_cast<std::size_t>(where.rank_in_group)];
}

DeviceRank device_rank(const Collective& collective, const CollectiveShape& shape, int rank) {
  const CollectiveBuffers sizes = collective.buffers(shape);
  std::vector<std::byte> data(static_cast<std::size_t>(sizes.send));
  collective.fill(shape, rank, data);
  return {data, sizes.receive};
}

void expect_oracle(const Collective& collective, const CollectiveShape& shape,
                   const GroupSpec& spec, ControlPlane& world, NcclGroups& groups) {
  const NcclCommunicator group = groups.of(spec, world);
  if (!membership(spec, world.rank()).takes_part) return;
  const DeviceRank mine = device_rank(collective, shape, world.rank());
  collective.run(shape, mine.tensors(), group, mine.stream.get());
  check_async_error(group, collective.name);
  EXPECT_EQ(mine.received(), expected(collective, shape, spec, world.rank()))
      << shape.bytes << " bytes of " << to_string(shape.dtype) << " in groups of " << spec.group
      << ", rank " << world.rank();
}

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

// ---- what is asked for ---------------------------------------------------------------------

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

// ---- the benchmarks ------------------------------------------------------------------------

bench::Case case_of(const CollectiveShape& shape, const GroupSpec& spec) {
  bench::Case c;
  c.point = {{"bytes", shape.bytes}};
  c.dtypes.a = c.dtypes.c = to_string(shape.dtype);
  c.ranks = to_ranks(spec, std::vector<int>(kWorld));
  return c;
}

/// A point of another kind where the operation has no sizes in bytes.
bench::Case case_for(const bench::Benchmark& benchmark, const GroupSpec& spec) {
  bench::Case c = case_of({spec.group * 33 * 2, Dtype::bf16, spec.group}, spec);
  if (benchmark.operation() != "all_to_all_v") return c;
  c.point = {{"tokens", 33}, {"hidden", 8}, {"experts", 16}, {"top_k", 2}};
  c.routing.distribution = "power_law";
  c.routed = true;
  return c;
}

void expect_verified(const bench::Benchmark& benchmark, const bench::Implementation& implementation,
                     const GroupSpec& spec, bench::Context& context) {
  const auto trial = benchmark.make_trial(implementation, case_for(benchmark, spec), context);
  const int rank = context.world.rank();
  EXPECT_EQ(trial->takes_part(), membership(spec, rank).takes_part);
  trial->prepare(2);
  if (trial->takes_part())
    for (const int set : {1, 0}) trial->launch(set, nullptr);
  EXPECT_EQ(trial->verify().max_rel_error, 0) << implementation.name << " on rank " << rank;
  EXPECT_EQ(trial->library().name, "NCCL");
  EXPECT_EQ(trial->library().runtime_version, "2.28.9");
}

TEST_F(RecordingNccl, BenchmarksVerifyWhatTheyMeasure) {
  for (const auto make : {bench::make_all_gather, bench::make_all_reduce, bench::make_all_to_all,
                          bench::make_all_to_all_v, bench::make_broadcast,
                          bench::make_reduce_scatter, bench::make_send_recv}) {
    const auto problems = on_ranks([&](ControlPlane& world) {
      const auto benchmark = make();
      bench::Context context{world, 0};
      for (const auto& implementation : benchmark->implementations())
        for (const GroupSpec& spec : group_specs(kWorld))
          if (implementation.backend == "nccl")
            expect_verified(*benchmark, implementation, spec, context);
    });
    EXPECT_THAT(problems, Each(""));
  }
  for (int rank = 0; rank < kWorld; ++rank) {
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclAllReduce").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclAlltoAll").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclSend").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclAllGather").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclBroadcast").empty());
    EXPECT_FALSE(fake_nccl().calls(rank, "ncclReduceScatter").empty());
  }
}

/// One all-reduce by an implementation, launched so often.
void launch_all_reduce(const bench::Implementation& implementation, int launches) {
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_reduce();
    const auto trial = benchmark->make_trial(implementation, case_of(kShape, kAll), context);
    trial->prepare(1);
    for (int i = 0; i < launches; ++i) trial->launch(0, nullptr);
    EXPECT_EQ(trial->verify().max_rel_error, 0);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, AGraphIsCapturedOnceAndReplayed) {
  const int before = fake_cuda().graph_launches;
  launch_all_reduce({"nccl_graph", "nccl"}, 4);
  EXPECT_EQ(fake_cuda().graph_launches - before, 4 * kWorld)
      << "all calls but the first, the verified one too";
  for (int rank = 0; rank < kWorld; ++rank)
    EXPECT_EQ(fake_nccl().calls(rank, "ncclAllReduce").size(), 6U)
        << "the first, the captured one, four replays";
}

TEST_F(RecordingNccl, AGraphOfMessagesReplaysThemAll) {
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_to_all();
    const auto trial =
        benchmark->make_trial({"nccl_send_recv_graph", "nccl"}, case_of(kShape, kAll), context);
    trial->prepare(1);
    for (int i = 0; i < 3; ++i) trial->launch(0, nullptr);
    EXPECT_EQ(trial->verify().max_rel_error, 0);
    EXPECT_EQ(fake_nccl().calls(world.rank(), "ncclSend").size(), 5U * kWorld);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, TheRecordSaysThatAGraphWasReplayed) {
  for (const auto& implementation : bench::make_broadcast()->implementations())
    if (implementation.backend == "nccl") {
      EXPECT_EQ(implementation.graph == "cuda_graph", implementation.name == "nccl_graph");
    }
}

TEST_F(RecordingNccl, BuffersAreRegisteredAndTakenBack) {
  for (const auto& [name, function] : {std::pair{"nccl_registered", "ncclCommRegister"},
                                       std::pair{"nccl_symmetric", "ncclCommWindowRegister"}}) {
    tests::reset_fake_nccl();
    launch_all_reduce({name, "nccl"}, 2);
    for (int rank = 0; rank < kWorld; ++rank) {
      const auto known = fake_nccl().calls(rank, function);
      ASSERT_EQ(known.size(), 2U) << "what is sent, what is received";
      const auto called = fake_nccl().calls(rank, "ncclAllReduce").at(0);
      EXPECT_EQ(known[0].send, called.send);
      EXPECT_EQ(known[1].send, called.receive);
      EXPECT_EQ(known[0].count, static_cast<std::size_t>(kShape.bytes));
      EXPECT_EQ(known[0].key, name == std::string{"nccl_symmetric"} ? NCCL_WIN_COLL_SYMMETRIC : -1);
    }
    EXPECT_EQ(fake_nccl().live_registrations(), 0);
  }
}

TEST_F(RecordingNccl, ARefusedRegistrationLeavesNoMemoryBehind) {
  fake_nccl().faults = {{"ncclCommRegister", 1, ncclInvalidUsage}};
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_reduce();
    const auto trial =
        benchmark->make_trial({"nccl_registered", "nccl"}, case_of(kShape, kAll), context);
    trial->prepare(1);
  });
  EXPECT_THAT(problems[1], HasSubstr("ncclCommRegister of 128 bytes on rank 1 of a group of 4 "
                                     "failed: NCCL said invalid usage"));
  for (const int other : {0, 2, 3}) EXPECT_EQ(problems[other], "");
}

/// Where in one buffer the calls of an implementation in place send from and receive into.
std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places_in_place(
    const std::function<std::unique_ptr<bench::Benchmark>()>& make, const std::string& function) {
  tests::reset_fake_nccl();
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = make();
    const auto trial =
        benchmark->make_trial({"nccl_in_place", "nccl"}, case_of(kShape, kAll), context);
    EXPECT_EQ(trial->footprint(), Bytes{kShape.bytes}) << "one buffer";
    trial->prepare(1);
    trial->launch(0, nullptr);
    EXPECT_EQ(trial->verify().max_rel_error, 0);
  });
  EXPECT_THAT(problems, Each(""));
  std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places;
  for (int rank = 0; rank < kWorld; ++rank) {
    const RecordedNcclCall call = fake_nccl().calls(rank, function).at(0);
    const auto* send = static_cast<const std::byte*>(call.send);
    const auto* receive = static_cast<const std::byte*>(call.receive);
    places.emplace_back(std::max<std::ptrdiff_t>(0, send - receive),
                        std::max<std::ptrdiff_t>(0, receive - send));
  }
  return places;
}

TEST_F(RecordingNccl, InPlaceTheSmallerBufferIsTheRanksBlockOfTheLarger) {
  using Places = std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>>;
  const Places same(kWorld, {0, 0});
  EXPECT_EQ(places_in_place(bench::make_all_reduce, "ncclAllReduce"), same);
  EXPECT_EQ(places_in_place(bench::make_broadcast, "ncclBroadcast"), same);
  EXPECT_EQ(places_in_place(bench::make_all_gather, "ncclAllGather"),
            (Places{{0, 0}, {32, 0}, {64, 0}, {96, 0}}));
  EXPECT_EQ(places_in_place(bench::make_reduce_scatter, "ncclReduceScatter"),
            (Places{{0, 0}, {0, 32}, {0, 64}, {0, 96}}));
}

TEST_F(RecordingNccl, TheRecordSaysTheAlgorithmThatNcclLogged) {
  const auto path = ::testing::TempDir() + "moecal_recording_nccl.log";
  setenv("NCCL_DEBUG", "INFO", 1);
  setenv("NCCL_DEBUG_SUBSYS", "TUNING", 1);
  setenv("NCCL_DEBUG_FILE", path.c_str(), 1);
  const auto problems = on_ranks([&](ControlPlane& world) {
    bench::Context context{world, 0};
    const auto benchmark = bench::make_all_gather();
    const auto trial = benchmark->make_trial({"nccl", "nccl"}, case_of(kShape, kAll), context);
    EXPECT_EQ(trial->library().algorithm, "unknown");
    world.barrier();
    if (world.rank() == 0)  // as the library would
      std::ofstream{path} << "h:1:1 [0] NCCL INFO AllGather: 32 Bytes -> Algo RING proto LL128 "
                             "channel{Lo..Hi}={0..1}\n";
    world.barrier();
    EXPECT_EQ(trial->library().algorithm, "RING LL128");
  });
  for (const char* name : {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"}) unsetenv(name);
  std::remove(path.c_str());
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, SumsOfFp8NeedADeviceThatAdds) {
  fake_cuda().compute_major = 8;
  const auto problems = on_ranks([](ControlPlane& world) {
    const auto benchmark = bench::make_all_reduce();
    bench::Context context{world, 0};
    static_cast<void>(benchmark->make_trial(
        {"nccl", "nccl"}, case_of({128, Dtype::fp8_e4m3, kWorld}, kAll), context));
  });
  fake_cuda().compute_major = 9;
  EXPECT_THAT(problems, Each(HasSubstr("NCCL adds FP8 on devices of compute capability 9.0")));
}

TEST_F(RecordingNccl, AnOldLibraryCarriesFp8AsBytes) {
  fake_nccl().version = 22'304;
  const auto problems = on_ranks([](ControlPlane& world) {
    const bench::Case fp8 = case_of({128, Dtype::fp8_e4m3, kWorld}, kAll);
    bench::Context context{world, 0};
    const auto gather = bench::make_all_gather();
    const auto trial = gather->make_trial({"nccl", "nccl"}, fp8, context);
    trial->prepare(1);
    trial->launch(0, nullptr);
    EXPECT_EQ(fake_nccl().calls(world.rank(), "ncclAllGather").at(0).type, ncclUint8);
    EXPECT_THROW(
        static_cast<void>(bench::make_all_reduce()->make_trial({"nccl", "nccl"}, fp8, context)),
        Unsupported);
  });
  EXPECT_THAT(problems, Each(""));
}

TEST_F(RecordingNccl, RanksWithoutADeviceAreRefusedBeforeAnyCall) {
  const auto problems = on_ranks([](ControlPlane& world) {
    const auto benchmark = bench::make_all_reduce();
    bench::Context context{world, -1};
    static_cast<void>(benchmark->make_trial({"nccl", "nccl"}, case_of(kShape, kAll), context));
  });
  EXPECT_THAT(problems, Each("NCCL needs a CUDA device on every rank"));
  EXPECT_TRUE(fake_nccl().calls(-1).empty());
}

// ---- what goes wrong -----------------------------------------------------------------------

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
                             public testing::WithParamInterface<const char*> {};

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
                         testing::Values("nccl", "nccl_registered", "nccl_symmetric"));

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
    EXPECT_EQ(problems[rank], "ncclCommInitRank on rank " + std::to_string(rank) +
                                  " of a group of 4 is still in progress after 1 s "
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
  const auto problems = first_of_two_attempts({"ncclGetUniqueId", -1});
  EXPECT_THAT(problems[0], HasSubstr("ncclGetUniqueId on rank 0 failed: NCCL said"));
  for (const int other : {1, 2, 3})
    EXPECT_EQ(problems[other], "ncclGetUniqueId failed on another rank of the launch");
}

TEST_F(RecordingNccl, AllRanksFailTogetherWhenOneCannotJoin) {
  const auto problems = first_of_two_attempts({"ncclCommInitRank", 1});
  EXPECT_THAT(problems[1],
              HasSubstr("ncclCommInitRank on rank 1 of a group of 4 failed: NCCL said"));
  EXPECT_THAT(problems[0], HasSubstr("ncclCommInitRank on rank 0 of a group of 4 failed"));
}

TEST_F(RecordingNccl, AllRanksFailTogetherWhenOneCannotSplit) {
  const auto problems = first_of_two_attempts({"ncclCommSplit", 3});
  EXPECT_THAT(problems[3], HasSubstr("ncclCommSplit into groups of 4 on rank 3 of a group of 4"));
  EXPECT_THAT(problems[0], HasSubstr("rank 3 never made the call"));
}

// ---- the fake itself -----------------------------------------------------------------------

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
