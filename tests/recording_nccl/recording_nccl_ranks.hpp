// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
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
#include "tests/collective_benchmarks.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/local_ranks.hpp"
#include "tests/recording_nccl/recording_nccl.hpp"
#include "tests/tcp_ranks.hpp"
#include "tests/tested_collectives.hpp"

/// Four ranks that are threads of one process, with the fake NCCL and the fake CUDA between them.
namespace moecal::collectives {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LocalRanks;
using tests::fake_cuda;
using tests::fake_nccl;
using tests::NcclFault;
using tests::RecordedNcclCall;

inline constexpr int kWorld = 4;
inline constexpr CollectiveShape kShape{.bytes = 128, .dtype = Dtype::f32, .group = kWorld};
inline constexpr GroupSpec kAll{kWorld, kWorld, Placement::contiguous, false};

inline std::vector<std::string> on_ranks(const std::function<void(ControlPlane&)>& body) {
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

/// A collective, its oracle, and data that differ between all ranks of the launch: they follow from
/// the rank in it, so that groups differ.
struct Collective {
  std::string name;
  void (*run)(const CollectiveShape&, const CollectiveTensors&, NcclCommunicator, Stream);
  void (*oracle)(const CollectiveShape&, std::span<const CollectiveTensors>);
  void (*fill)(const CollectiveShape&, int rank, std::span<std::byte>);
  CollectiveBuffers (*buffers)(const CollectiveShape&);
};

// Small whole numbers: sums of four are exact in every type.
inline void fill_summands(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  const std::int64_t size = size_of(shape.dtype);
  const int period = shape.dtype == Dtype::fp8_e4m3 ? 5 : 23;
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    encode_element(shape.dtype, static_cast<double>((rank * 7 + i) % period), &send[i * size]);
}

/// By NCCL; data are the collective's own, or what is given.
inline Collective by_nccl(const testing::TestedCollective& tested, decltype(Collective::run) run,
                          decltype(Collective::fill) fill = nullptr) {
  return {tested.name, run, tested.local, fill != nullptr ? fill : tested.fill, tested.buffers};
}

namespace tested = testing::tested;
inline const Collective kAllReduce = by_nccl(tested::kAllReduce, all_reduce_nccl, fill_summands);
inline const Collective kAllToAll = by_nccl(tested::kAllToAll, all_to_all_nccl);
inline const Collective kAllToAllSendRecv{"all_to_all_send_recv", all_to_all_nccl_send_recv,
                                          all_to_all_local, all_to_all_fill, all_to_all_buffers};
inline const Collective kAllGather = by_nccl(tested::kAllGather, all_gather_nccl);
inline const Collective kBroadcast = by_nccl(tested::kBroadcast, broadcast_nccl);
inline const Collective kReduceScatter =
    by_nccl(tested::kReduceScatter, reduce_scatter_nccl, fill_summands);
inline const Collective kSendRecv = by_nccl(tested::kSendRecv, send_recv_nccl, broadcast_fill);

/// What rank `rank` of the launch must receive.
inline std::vector<std::byte> expected(const Collective& collective, const CollectiveShape& shape,
                                       const GroupSpec& spec, int rank) {
  const Membership where = membership(spec, rank);
  const auto ranks = members(spec, where.index);
  LocalRanks local{shape.group, collective.buffers(shape)};
  for (std::size_t i = 0; i < ranks.size(); ++i) collective.fill(shape, ranks[i], local.send[i]);
  collective.oracle(shape, local.tensors());
  return local.receive[static_cast<std::size_t>(where.rank_in_group)];
}

inline DeviceRank device_rank(const Collective& collective, const CollectiveShape& shape,
                              int rank) {
  const CollectiveBuffers sizes = collective.buffers(shape);
  std::vector<std::byte> data(static_cast<std::size_t>(sizes.send));
  collective.fill(shape, rank, data);
  return {data, sizes.receive};
}

inline void expect_oracle(const Collective& collective, const CollectiveShape& shape,
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

inline bench::Case case_of(const CollectiveShape& shape, const GroupSpec& spec) {
  bench::Case c;
  c.point = {{"bytes", shape.bytes}};
  c.dtypes.a = c.dtypes.c = to_string(shape.dtype);
  c.ranks = to_ranks(spec, std::vector<int>(kWorld));
  return c;
}

}  // namespace moecal::collectives
