// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// The layers that exchange between ranks, as on GPUs: ranks are those of an mpirun, the kernels'
// own text runs on the CPU, NCCL, cuBLASLt and the CUDA runtime are doubles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "bench/benchmark.hpp"
#include "collectives/groups.hpp"
#include "core/error.hpp"
#include "layers/dispatch_combine/dispatch_combine.hpp"
#include "tests/collective_benchmarks.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/ranked_test_main.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"
#include "tests/recording_nccl/recording_nccl.hpp"

namespace moecal::bench {
namespace {

using collectives::GroupSpec;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::fake_cublaslt;
using tests::fake_cuda;
using tests::fake_nccl;
using tests::RecordedNcclCall;

const Implementation kDispatchByNccl{"nccl_send_recv", "nccl"};
const Implementation kOverlapByNccl{"cublaslt_nccl", "nccl"};

ControlPlane& world() { return moecal::testing::world(); }
int own_rank() { return world().rank(); }
GroupSpec all_ranks() {
  return {world().size(), world().size(), collectives::Placement::contiguous, false};
}
Ranks ranks_of(const GroupSpec& spec) {
  return to_ranks(spec, std::vector<int>(static_cast<std::size_t>(world().size())));
}

struct Layer {
  std::int64_t tokens, hidden, experts, top_k;
  const char* dtype;
};
constexpr Layer kLayer{33, 24, 8, 2, "bf16"};

Case dispatch_case(const Layer& layer, const char* distribution, const GroupSpec& spec) {
  Case c;
  c.point = {{"tokens", layer.tokens},
             {"hidden", layer.hidden},
             {"experts", layer.experts},
             {"top_k", layer.top_k}};
  c.dtypes.a = c.dtypes.c = layer.dtype;
  c.ranks = ranks_of(spec);
  c.routing = {.distribution = distribution, .capacity_factor = 1.2};
  c.routed = true;
  return c;
}

Case overlap_case(std::int64_t tokens, std::int64_t elements_of_a_block) {
  Case c;
  c.dtypes.a = c.dtypes.b = c.dtypes.c = "bf16";
  c.dtypes.accumulate = "f32";
  c.dtypes.scale_mode = "none";
  c.point = {
      {"m", tokens}, {"n", 40}, {"k", 24}, {"bytes", elements_of_a_block * 2 * world().size()}};
  c.ranks = ranks_of(all_ranks());
  return c;
}

class RecordedLayers : public ::testing::Test {
 protected:
  void SetUp() override {
    tests::reset_fake_nccl();
    fake_cublaslt() = {};
    fake_cublaslt().candidates.resize(1);
  }
  void TearDown() override {
    EXPECT_EQ(fake_nccl().live_communicators(), 0);
    EXPECT_EQ(fake_nccl().ended_twice(), 0);
    EXPECT_EQ(fake_cublaslt().live_objects, 0);
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }

  Context context_{world(), 0};
};

void expect_verified(Trial& trial) {
  const VerificationResult result = trial.verify();
  EXPECT_LE(result.max_rel_error, result.tolerance) << "rank " << own_rank();
  EXPECT_EQ(trial.library().name, "NCCL");
}

TEST_F(RecordedLayers, DispatchAndCombineVerifyInEveryGroup) {
  const auto benchmark = make_dispatch_combine();
  for (const Layer& layer :
       {kLayer, Layer{1, 7, 4, 1, "f32"}, Layer{0, 16, 8, 2, "f16"}, Layer{40, 9, 16, 4, "f16"}})
    for (const GroupSpec& spec : collectives::group_specs(world().size()))
      for (const auto* distribution : {"balanced", "power_law"}) {
        SCOPED_TRACE(std::to_string(layer.tokens) + " tokens, groups of " +
                     std::to_string(spec.group));
        const auto trial = benchmark->make_trial(
            kDispatchByNccl, dispatch_case(layer, distribution, spec), context_);
        EXPECT_EQ(trial->takes_part(), membership(spec, own_rank()).takes_part);
        trial->prepare(2);
        if (trial->takes_part())
          for (const int set : {1, 0}) trial->launch(set, nullptr);
        expect_verified(*trial);
      }
}

/// Bytes from the start of the allocation that holds it.
std::int64_t place_of(const void* start) {
  const auto* first = static_cast<const std::byte*>(start);
  return first - std::prev(fake_cuda().buffers.upper_bound(first))->first;
}

/// That calls of one function are of these blocks, peer by peer, where there is something to move.
void expect_blocks(const std::vector<RecordedNcclCall>& calls,
                   const std::vector<collectives::RoutedExchange::Block>& blocks,
                   std::int64_t element_bytes) {
  auto call = calls.begin();
  for (std::size_t peer = 0; peer < blocks.size(); ++peer) {
    if (blocks[peer].bytes == 0) continue;
    ASSERT_NE(call, calls.end());
    EXPECT_EQ(call->peer, static_cast<int>(peer));
    EXPECT_EQ(static_cast<std::int64_t>(call->count) * element_bytes, blocks[peer].bytes);
    EXPECT_EQ(place_of(call->function == "ncclSend" ? call->send : call->receive), blocks[peer].at);
    EXPECT_EQ(call->group_depth, 1);
    ++call;
  }
  EXPECT_EQ(call, calls.end());
}

TEST_F(RecordedLayers, DispatchSendsTheDrawsBlocksAndCombineTakesThemBack) {
  const auto benchmark = make_dispatch_combine();
  const Case c = dispatch_case(kLayer, "power_law", all_ranks());
  const auto trial = benchmark->make_trial(kDispatchByNccl, c, context_);
  trial->prepare(1);
  const auto plan = layers::plan_dispatch_combine({.tokens = kLayer.tokens,
                                                   .hidden = kLayer.hidden,
                                                   .experts = kLayer.experts,
                                                   .top_k = kLayer.top_k,
                                                   .group = world().size()},
                                                  c.routing);
  const auto self = static_cast<std::size_t>(own_rank());
  for (const auto& part : trial->parts()) {
    const auto sent = fake_nccl().calls(own_rank(), "ncclSend").size();
    const auto received = fake_nccl().calls(own_rank(), "ncclRecv").size();
    part.launch(0, nullptr);
    auto sends = fake_nccl().calls(own_rank(), "ncclSend");
    auto receives = fake_nccl().calls(own_rank(), "ncclRecv");
    sends.erase(sends.begin(), sends.begin() + static_cast<std::ptrdiff_t>(sent));
    receives.erase(receives.begin(), receives.begin() + static_cast<std::ptrdiff_t>(received));
    if (part.name != "dispatch" && part.name != "combine") {
      EXPECT_THAT(sends, IsEmpty()) << part.name;
      continue;
    }
    const auto& exchange = part.name == "dispatch" ? plan.dispatch : plan.combine;
    expect_blocks(sends, exchange.sends[self], 2);
    expect_blocks(receives, exchange.receives[self], 2);
  }
  expect_verified(*trial);
}

TEST_F(RecordedLayers, OverlapVerifiesBothAndKeepsTheirStreamsApart) {
  const auto benchmark = make_overlap();
  for (const auto& [tokens, elements] : {std::pair{33, 64}, std::pair{1, 1}, std::pair{64, 1000}}) {
    const auto trial =
        benchmark->make_trial(kOverlapByNccl, overlap_case(tokens, elements), context_);
    trial->prepare(1);
    trial->launch(0, nullptr);
    const auto product = fake_cublaslt().matmuls.back();
    const auto send = fake_nccl().calls(own_rank(), "ncclSend").back();
    EXPECT_EQ(send.stream, nullptr) << "the caller's";
    EXPECT_NE(product.stream, nullptr) << "one of its own";
    EXPECT_EQ(send.count, static_cast<std::size_t>(elements));
    expect_verified(*trial);
  }
}

TEST_F(RecordedLayers, OverlapsPartsAreTimedWhereTheyRun) {
  const auto benchmark = make_overlap();
  const auto trial = benchmark->make_trial(kOverlapByNccl, overlap_case(33, 64), context_);
  trial->prepare(1);
  fake_cublaslt().candidates[0].milliseconds = 3;
  for (const auto& part : trial->parts()) {
    const auto products = fake_cublaslt().matmuls.size();
    const auto sends = fake_nccl().calls(own_rank(), "ncclSend").size();
    part.launch(0, nullptr);
    const bool multiplies = part.name != "all_to_all";
    const bool exchanges = part.name != "gemm";
    EXPECT_EQ(fake_cublaslt().matmuls.size() - products, multiplies ? 1U : 0U) << part.name;
    EXPECT_EQ(fake_nccl().calls(own_rank(), "ncclSend").size() - sends,
              exchanges ? static_cast<std::size_t>(world().size()) : 0U)
        << part.name;
    if (part.name != "gemm_beside") continue;
    EXPECT_NEAR(part.own_time().count(), 3e-3, 1e-6) << "the fake's product takes 3 ms";
    EXPECT_EQ(part.own_time().count(), 0) << "of launches since it was asked last";
  }
}

/// What verifying one call says on this rank: empty if it went well; and that the launch is to end.
std::string loss_of(Trial& trial) {
  try {
    static_cast<void>(trial.verify());
    return {};
  } catch (const RankLost& lost) {
    EXPECT_FALSE(fake_cuda().buffers.empty()) << "buffers outlive the communicator";
    EXPECT_EQ(fake_nccl().live_communicators(), 0) << "it is given up";
    return lost.what();
  }
}

class RecordedLayersFail : public RecordedLayers, public ::testing::WithParamInterface<bool> {
 protected:
  void TearDown() override {
    overlap_.reset();  // ends the communicators of the ranks that lost none
    dispatch_.reset();
    RecordedLayers::TearDown();
  }
  [[nodiscard]] std::unique_ptr<Trial> prepared() {
    auto trial =
        GetParam() ? overlap_->make_trial(kOverlapByNccl, overlap_case(33, 64), context_)
                   : dispatch_->make_trial(
                         kDispatchByNccl, dispatch_case(kLayer, "balanced", all_ranks()), context_);
    trial->prepare(1);
    trial->launch(0, nullptr);
    return trial;
  }
  [[nodiscard]] static std::string operation() {
    return GetParam() ? "overlap" : "dispatch_combine";
  }
  [[nodiscard]] static int aborts() {
    return static_cast<int>(fake_nccl().calls(own_rank(), "ncclCommAbort").size());
  }

  std::unique_ptr<Benchmark> overlap_ = make_overlap();
  std::unique_ptr<Benchmark> dispatch_ = make_dispatch_combine();
};

TEST_P(RecordedLayersFail, AnErrorThatComesLaterLosesItsRank) {
  const auto trial = prepared();
  fake_nccl().faults = {{"ncclGroupEnd", 1, ncclRemoteError, true}};
  const std::string said = loss_of(*trial);
  if (own_rank() != 1) return;
  // Of dispatch_combine's two exchanges the second meets a communicator that has failed already.
  EXPECT_THAT(said,
              AllOf(HasSubstr(GetParam() ? "overlap on rank 1" : "ncclSend of"),
                    HasSubstr("on rank 1 of a group of"), HasSubstr("remote process exited")));
  EXPECT_EQ(aborts(), 2) << "the group's and the world's";
}

TEST_P(RecordedLayersFail, APeerThatCannotCallLosesEveryRank) {
  const auto trial = prepared();
  fake_nccl().faults = {{"ncclGroupEnd", 1}};
  const std::string said = loss_of(*trial);
  EXPECT_THAT(
      said, HasSubstr(own_rank() == 1 ? "on rank 1 of a group of" : "rank 1 never made the call"));
  EXPECT_THAT(said, HasSubstr("ncclGroupEnd of an all-to-all"));
  EXPECT_EQ(aborts(), 2) << "the group's and the world's";
}

TEST_P(RecordedLayersFail, ADeviceThatNeverEndsLosesEveryRank) {
  const auto trial = prepared();
  fake_cuda().stuck = true;
  ASSERT_EQ(setenv("MOECAL_TIMEOUT_S", "1", 1), 0);
  const std::string said = loss_of(*trial);
  unsetenv("MOECAL_TIMEOUT_S");
  fake_cuda().stuck = false;
  EXPECT_THAT(said, AllOf(HasSubstr(operation() + " on rank " + std::to_string(own_rank())),
                          HasSubstr("did not end within 1 s")));
  EXPECT_EQ(aborts(), 2) << "the group's and the world's";
}

INSTANTIATE_TEST_SUITE_P(Layers, RecordedLayersFail, ::testing::Bool(), [](const auto& overlap) {
  return overlap.param ? std::string{"overlap"} : std::string{"dispatch_combine"};
});

TEST_F(RecordedLayers, ARankWithoutADeviceIsRefusedBeforeAnyCall) {
  Context without{world(), -1};
  EXPECT_THROW(
      static_cast<void>(make_overlap()->make_trial(kOverlapByNccl, overlap_case(8, 8), without)),
      Unsupported);
  EXPECT_THROW(static_cast<void>(make_dispatch_combine()->make_trial(
                   kDispatchByNccl, dispatch_case(kLayer, "balanced", all_ranks()), without)),
               Unsupported);
  EXPECT_THAT(fake_nccl().calls(own_rank(), "ncclCommInitRank"), IsEmpty());
}

}  // namespace
}  // namespace moecal::bench
