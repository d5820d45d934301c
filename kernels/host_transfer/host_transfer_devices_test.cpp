// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "bench/benchmark.hpp"
#include "kernels/host_transfer/host_transfer.hpp"
#include "runtime/cuda_stream.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_host_transfer();
}

// Copies of two devices at once, on a double of the CUDA runtime that has two: which device, stream
// and event each is given.
namespace moecal::kernels {
namespace {

using tests::fake_cuda;
using tests::FakeEnqueued;
using Kind = FakeEnqueued::Kind;

constexpr HostTransferShape kShape{1000};
constexpr HostTransferKind kAllBothWays{.to_device = true, .to_host = true, .all_devices = true};

class TwoDevices : public testing::Test {
 protected:
  void SetUp() override {
    fake_cuda().devices = 2;
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  }
  /// What a run of these copies enqueues, `whole` being the stream that is timed.
  std::vector<FakeEnqueued> enqueued(HostTransfer& copies, Stream whole) {
    fake_cuda().enqueued.clear();
    fake_cuda().logs = true;
    copies.run(whole);
    fake_cuda().logs = false;
    return fake_cuda().enqueued;
  }
};

std::vector<FakeEnqueued> copies_in(const std::vector<FakeEnqueued>& enqueued) {
  std::vector<FakeEnqueued> copies;
  for (const auto& each : enqueued)
    if (each.kind == Kind::copy) copies.push_back(each);
  return copies;
}

/// The device whose memory a copy reads or writes.
int device_of(const FakeEnqueued& copy) {
  const auto& devices = fake_cuda().devices_of;
  for (const auto* end : {copy.to, copy.from})
    if (const auto found = devices.find(static_cast<const std::byte*>(end)); found != devices.end())
      return found->second;
  return -1;
}

bool goes_to_device(const FakeEnqueued& copy) { return fake_cuda().owns(copy.to, 1); }

TEST_F(TwoDevices, HaveACopyEachWayOnAStreamOfItsOwnOfTheirOwn) {
  const CudaStream whole;
  const auto copies = make_host_transfer(kShape, kAllBothWays);
  const auto made = copies_in(enqueued(*copies, whole.get()));
  ASSERT_EQ(made.size(), 4U);
  std::set<std::pair<int, bool>> ways;
  std::set<cudaStream_t> streams{whole.get()};
  for (const auto& copy : made) {
    EXPECT_EQ(copy.device, device_of(copy)) << "the current device is the memory's";
    EXPECT_EQ(fake_cuda().streams.at(copy.stream), device_of(copy)) << "and the stream's";
    ways.emplace(device_of(copy), goes_to_device(copy));
    streams.insert(copy.stream);
  }
  EXPECT_EQ(ways.size(), 4U) << "two devices, two ways";
  EXPECT_EQ(streams.size(), 5U) << "one stream each";
  EXPECT_EQ(fake_cuda().current, 0) << "the caller's device is as it was";
}

TEST_F(TwoDevices, StartAfterTheWholeAndAreWaitedForByIt) {
  const CudaStream whole;
  const auto copies = make_host_transfer(kShape, kAllBothWays);
  const auto all = enqueued(*copies, whole.get());
  ASSERT_EQ(all.front().kind, Kind::record);
  ASSERT_EQ(all.front().stream, whole.get());
  const auto start = all.front().event;
  int waited_for = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].kind != Kind::copy) continue;
    ASSERT_GE(i, 1U);
    ASSERT_LT(i + 2, all.size());
    const auto &before = all[i - 1], &end = all[i + 1], &wait = all[i + 2];
    EXPECT_EQ(before.kind, Kind::wait);
    EXPECT_EQ(before.event, start);
    EXPECT_EQ(before.stream, all[i].stream);
    EXPECT_EQ(end.kind, Kind::record);
    EXPECT_EQ(end.stream, all[i].stream);
    EXPECT_EQ(wait.kind, Kind::wait);
    EXPECT_EQ(wait.event, end.event);
    EXPECT_EQ(wait.stream, whole.get());
    ++waited_for;
  }
  EXPECT_EQ(waited_for, 4);
}

TEST_F(TwoDevices, HoldTheirOwnPatternsAfterwards) {
  const CudaStream whole;
  const auto copies = make_host_transfer(kShape, kAllBothWays);
  EXPECT_FALSE(copies->arrived()) << "nothing was copied yet";
  copies->run(whole.get());
  EXPECT_TRUE(copies->arrived());
}

TEST_F(TwoDevices, AreNotBothUsedWhereOneIsAskedFor) {
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const CudaStream whole;
  const auto copies = make_host_transfer(kShape, {.to_device = true});
  const auto made = copies_in(enqueued(*copies, whole.get()));
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(device_of(made.front()), 1);
  EXPECT_TRUE(goes_to_device(made.front()));
}

TEST_F(TwoDevices, AreMeasuredAtOnce) {
  const auto world = make_single_rank_plane();
  bench::Context context{*world, 0};
  const auto benchmark = bench::make_host_transfer();
  bench::Case c;
  c.point = {{"bytes", 1000}};
  const bench::Implementation all{"pinned_duplex_all_devices", "cuda"};
  EXPECT_EQ(benchmark->work_by(all, c).sent.value(), 2 * 2 * 1000);
  const auto trial = benchmark->make_trial(all, c, context);
  trial->prepare(1);
  EXPECT_GT(trial->verify().max_rel_error, 0);
  const CudaStream whole;
  trial->launch(0, whole.get());
  EXPECT_EQ(trial->verify().max_rel_error, 0);
}

}  // namespace
}  // namespace moecal::kernels
