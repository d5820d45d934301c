// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// Layers by NCCL without devices: the fake NCCL between ranks that are threads, the kernels' own
// text on the CPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>

#include "collectives/nccl_groups.hpp"
#include "core/element.hpp"
#include "layers/dispatch_combine/dispatch_combine.hpp"
#include "layers/overlap/overlap.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/recording_nccl/recording_nccl.hpp"
#include "tests/tcp_ranks.hpp"

namespace moecal::layers {
namespace {

using namespace std::chrono_literals;
using collectives::GroupSpec;
using ::testing::Each;
using tests::fake_cuda;
using tests::fake_nccl;

constexpr int kWorld = 4;

std::vector<std::string> on_ranks(const std::function<void(ControlPlane&)>& body) {
  return moecal::testing::on_tcp_ranks(kWorld, 20s, body);
}

/// One rank's memory on the fake device.
struct DeviceRank {
  DeviceRank(const DispatchCombinePlan& plan, int rank)
      : tokens{of_tokens(plan, rank)},
        row_of{to_device(std::span{plan.ranks[rank].row_of})},
        weight_of{to_device(std::span{plan.ranks[rank].weight_of})},
        rows{static_cast<std::size_t>(dispatch_combine_buffers(plan).send)},
        received{static_cast<std::size_t>(dispatch_combine_buffers(plan).receive)},
        combined{tokens.size()} {}

  static DeviceBuffer of_tokens(const DispatchCombinePlan& plan, int rank) {
    std::vector<std::byte> host(
        static_cast<std::size_t>(plan.shape.tokens * plan.shape.row_bytes()));
    fill_tokens(plan.shape, rank, host);
    return to_device(std::span<const std::byte>{host});
  }
  [[nodiscard]] DispatchCombineTensors tensors() const {
    return {tokens.data(), row_of.as<std::int32_t>(), weight_of.as<float>(),
            rows.data(),   received.data(),           combined.data()};
  }
  static std::vector<std::byte> host(const DeviceBuffer& buffer) {
    std::vector<std::byte> copy(buffer.size());
    copy_bytes(copy.data(), buffer.data(), copy.size());
    return copy;
  }

  DeviceBuffer tokens, row_of, weight_of, rows, received, combined;
};

// The emulated device runs one kernel at a time.
void run_step(const DispatchCombinePlan& plan, Step step, const DeviceRank& mine,
              const collectives::NcclCommunicator& group) {
  static std::mutex one_kernel;
  const CudaStream stream;
  std::unique_lock lock{one_kernel, std::defer_lock};
  if (step == Step::permute || step == Step::unpermute) lock.lock();
  dispatch_combine_nccl(plan, step, mine.tensors(), group, stream.get());
}

void expect_weighted_tokens(const DispatchCombinePlan& plan, int rank,
                            const std::vector<std::byte>& combined) {
  std::vector<std::byte> expected(combined.size());
  weighted_tokens(plan, rank, expected);
  const auto size = static_cast<std::size_t>(size_of(plan.shape.dtype));
  for (std::size_t i = 0; i < expected.size(); i += size) {
    const double wanted = decode_element(plan.shape.dtype, &expected[i]);
    ASSERT_NEAR(decode_element(plan.shape.dtype, &combined[i]), wanted, 0x1p-7 * std::abs(wanted));
  }
}

class LayersByNccl : public ::testing::Test {
 protected:
  void SetUp() override { tests::reset_fake_nccl(); }
  void TearDown() override {
    EXPECT_EQ(fake_nccl().live_communicators(), 0);
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }
};

TEST_F(LayersByNccl, DispatchAndCombineGiveTheWeightedTokens) {
  const auto problems = on_ranks([](ControlPlane& world) {
    collectives::NcclGroups groups;
    for (const GroupSpec& spec : collectives::group_specs(kWorld))
      for (const auto* distribution : {"balanced", "power_law"})
        for (const std::int64_t tokens : {0, 1, 33}) {
          const auto group = groups.of(spec, world);
          const auto where = membership(spec, world.rank());
          if (!where.takes_part) continue;
          const auto plan = plan_dispatch_combine(
              {.tokens = tokens, .hidden = 24, .experts = 8, .top_k = 2, .group = spec.group},
              {.distribution = distribution, .capacity_factor = 1.0});
          const DeviceRank mine{plan, where.rank_in_group};
          for (const Step step : kSteps) run_step(plan, step, mine, group);
          EXPECT_EQ(received_error(plan, where.rank_in_group, DeviceRank::host(mine.received)), 0);
          expect_weighted_tokens(plan, where.rank_in_group, DeviceRank::host(mine.combined));
        }
  });
  EXPECT_THAT(problems, Each(""));
}

// Dispatch sends what combine receives: two groups of messages, mirror images of each other.
TEST_F(LayersByNccl, CombineMirrorsDispatch) {
  const auto problems = on_ranks([](ControlPlane& world) {
    collectives::NcclGroups groups;
    const auto group =
        groups.of({kWorld, kWorld, collectives::Placement::contiguous, false}, world);
    const auto plan = plan_dispatch_combine(
        {.tokens = 16, .hidden = 8, .experts = 8, .top_k = 2, .group = kWorld}, {.seed = 4});
    const DeviceRank mine{plan, world.rank()};
    for (const Step step : kSteps) run_step(plan, step, mine, group);
    const auto sends = fake_nccl().calls(world.rank(), "ncclSend");
    const auto receives = fake_nccl().calls(world.rank(), "ncclRecv");
    ASSERT_EQ(sends.size(), receives.size());
    for (const auto& send : sends)
      EXPECT_TRUE(std::ranges::any_of(receives, [&](const auto& receive) {
        return receive.peer == send.peer && receive.count == send.count &&
               receive.receive == send.send;
      })) << "what is sent from a place comes back to it";
  });
  EXPECT_THAT(problems, Each(""));
}

TEST(OverlapOnADevice, ComputesOnAStreamOfItsOwn) {
  const CudaStream stream;
  Stream computed = nullptr, communicated = nullptr;
  const auto overlap = make_overlap_cuda(
      {[&](Stream own) { computed = own; }, [&](Stream own) { communicated = own; }});
  overlap->launch_both(stream.get());
  EXPECT_EQ(communicated, stream.get());
  EXPECT_NE(computed, communicated);
}

TEST(OverlapOnADevice, SumsEachOnesOwnTimeAndForgetsIt) {
  const CudaStream stream;
  const auto overlap = make_overlap_cuda(
      {[](Stream) { fake_cuda().clock_ms += 2; }, [](Stream) { fake_cuda().clock_ms += 5; }});
  overlap->launch_both(stream.get());
  EXPECT_EQ(overlap->take_times().compute, Seconds{0}) << "it was not timed";
  for (int i = 0; i < 3; ++i) overlap->launch_both_timed(stream.get());
  const OverlapTimes times = overlap->take_times();
  EXPECT_NEAR(times.compute.count(), 6e-3, 1e-6);
  EXPECT_NEAR(times.communicate.count(), 15e-3, 1e-6);
  EXPECT_EQ(overlap->take_times().communicate, Seconds{0});
}

}  // namespace
}  // namespace moecal::layers
