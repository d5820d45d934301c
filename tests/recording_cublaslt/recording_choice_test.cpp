// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "bench/benchmark.hpp"
#include "bench/result_marks.hpp"
#include "kernels/expert_gemm/cublaslt_scales.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "runtime/buffer.hpp"
#include "tests/recording_cublaslt/expert_gemm_requests.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_expert_gemm();
}

namespace moecal::kernels {
namespace {

using testing::HasSubstr;
using tests::fake_cublaslt;
using tests::fake_cuda;
using tests::FakeCandidate;

class Candidates : public testing::Test {
 protected:
  void SetUp() override { reset_fakes(); }
  std::unique_ptr<ExpertGemm> make() { return make_expert_gemm_cublaslt({problem_, operands_, 1}); }
  const ExpertGemmProblem problem_ = Request{kBf16, {8, 16, 8}}.problem();
  const ExpertGemmOperands operands_ = operands_of(problem_);
};

TEST_F(Candidates, TheFastestIsUsedAndRecorded) {
  fake_cublaslt().candidates = {{5, true}, {4, true}, {3, true}, {9, true}};
  const auto gemm = make();
  gemm->launch(0, nullptr);
  EXPECT_EQ(fake_cublaslt().matmuls.back().candidate, 2);
  const auto library = gemm->library();
  EXPECT_EQ(library.name, "cuBLASLt");
  EXPECT_EQ(library.runtime_version, "13.1.0");
  EXPECT_EQ(library.algorithm,
            "id=102 tile=1 stages=1 split_k=1 reduction=1 swizzle=1 custom=1 inner_shape=1 "
            "cluster_shape=1 rank=3/4");
  EXPECT_EQ(library.workspace_bytes, 1002);
}

// A point with a cold cache would else be run by what is best with a warm one.
TEST_F(Candidates, AreTimedOnEverySetOfBuffers) {
  fake_cublaslt().candidates = {{0.01, true}, {0.02, true}};
  (void)make_expert_gemm_cublaslt({problem_, operands_, 3});
  std::map<const void*, int> launches;
  for (const auto& call : fake_cublaslt().matmuls) ++launches[call.b_address];
  ASSERT_EQ(launches.size(), 3u);
  for (const auto& [address, count] : launches) EXPECT_GT(count, 10);
}

// They all computed the product, on the buffers that are timed later.
TEST_F(Candidates, LeaveNoResultThatALaunchCouldBeVerifiedBy) {
  const auto gemm = make();
  ASSERT_FALSE(fake_cublaslt().matmuls.empty());
  const auto before = check_product(problem_, operands_, gemm->result());
  EXPECT_GT(before.max_rel_error, before.tolerance);
  gemm->launch(0, nullptr);
  const auto after = check_product(problem_, operands_, gemm->result());
  EXPECT_LE(after.max_rel_error, after.tolerance);
}

TEST_F(Candidates, ShortOnesAreTimedInBatches) {
  fake_cublaslt().candidates = {{0.01, true}, {0.01, true}};
  (void)make();
  EXPECT_GE(fake_cublaslt().matmuls.size(), 2 * 2 * 30u) << "an event resolves half a microsecond";
}

TEST_F(Candidates, LongOnesAreTimedOnce) {
  fake_cublaslt().candidates = {{20, true}, {10, true}};
  EXPECT_THAT(make()->library().algorithm, HasSubstr("id=101"));
  EXPECT_EQ(fake_cublaslt().matmuls.size(), 2 * 2u) << "behind a launch that loads the kernel";
}

// The host takes longer to launch any of them than the device to run it.
TEST_F(Candidates, ShortOnesAreToldApartWithoutTheGapsBetweenLaunches) {
  fake_cuda().launch_ms = 0.005;
  fake_cublaslt().candidates = {{0.002, true}, {0.001, true}};
  EXPECT_THAT(make()->library().algorithm, HasSubstr("id=101"));
  EXPECT_FALSE(fake_cuda().held()) << "the stream goes on";
  fake_cuda().holds_lapse = 1000;
  fake_cublaslt().candidates = {{0.02, true}, {0.01, true}};
  const int holds = fake_cuda().holds;
  EXPECT_THAT(make()->library().algorithm, HasSubstr("id=101")) << "timed without, then";
  EXPECT_EQ(fake_cuda().holds, holds + 2)
      << "the host waited for the device twice: not tried again";
}

TEST_F(Candidates, NoKernelIsLoadedBehindAHold) {
  fake_cuda().launch_ms = 0.005;
  fake_cublaslt().candidates = {{0.01, true, 40}, {0.02, true, 50}};
  (void)make();
  EXPECT_EQ(fake_cublaslt().loads_held, 0);
}

TEST_F(Candidates, OneAloneIsNotTimed) {
  fake_cublaslt().candidates = {{0.01, true}};
  EXPECT_THAT(make()->library().algorithm, HasSubstr("rank=1/1"));
  EXPECT_TRUE(fake_cublaslt().matmuls.empty());
}

TEST_F(Candidates, LoadingAKernelCountsForNothing) {
  fake_cublaslt().candidates = {{0.02, true, 40}, {0.01, true, 50}, {0.03, true, 0}};
  const auto gemm = make();
  EXPECT_THAT(gemm->library().algorithm, HasSubstr("id=101"));
  std::map<int, int> launches;
  for (const auto& call : fake_cublaslt().matmuls) ++launches[call.candidate];
  EXPECT_GE(launches[0], 2 * 15) << "a timing lasts 0.3 ms, whatever the first took";
  EXPECT_GE(launches[1], 2 * 30);
  EXPECT_LE(launches[2], 4) << "three times slower than the best: given up";
}

TEST_F(Candidates, OneThatDoesNotLaunchIsPassedOver) {
  fake_cublaslt().candidates = {{1, false}, {7, true}};
  const auto gemm = make();
  EXPECT_THAT(gemm->library().algorithm, HasSubstr("id=101"));
  fake_cublaslt().candidates = {{1, false}, {1, false}};
  EXPECT_THAT(thrown_message([&] { (void)make(); }),
              HasSubstr("none of cuBLASLt's candidate algorithms ran; the last: launching a "
                        "cuBLASLt product failed"));
}

// They keep their place: the rank is the heuristic's, not one among those that were timed.
TEST_F(Candidates, ThatTheHeuristicCallsUnsupportedAreCountedAndNotLaunched) {
  const FakeCandidate unsupported{.milliseconds = 0.1, .state = CUBLAS_STATUS_NOT_SUPPORTED};
  fake_cublaslt().candidates = {{5, true}, unsupported, {4, true}, unsupported, {9, true}};
  EXPECT_THAT(make()->library().algorithm,
              testing::AllOf(HasSubstr("id=102"), testing::EndsWith("rank=3/5")));
  for (const auto& call : fake_cublaslt().matmuls) EXPECT_THAT(call.candidate, testing::Ne(1));
  fake_cublaslt().candidates = {unsupported, unsupported};
  EXPECT_THAT(thrown_message([&] { (void)make(); }),
              HasSubstr("could name no algorithm for m 8, n 16, k 8 that works"));
  EXPECT_THROW((void)make(), Unsupported);
}

TEST_F(Candidates, NoneIsAReasonToSkip) {
  fake_cublaslt().candidates = {};
  EXPECT_THROW((void)make(), Unsupported);
  EXPECT_THAT(thrown_message([&] { (void)make(); }), HasSubstr("no algorithm for m 8, n 16, k 8"));
}

TEST_F(Candidates, TooLittleMemoryIsAReasonToSkip) {
  const auto memory = fake_cuda().memory;
  fake_cuda().memory = 1 << 20;
  EXPECT_THAT(thrown_message([&] { (void)make(); }), HasSubstr("33554432 bytes of device memory"));
  EXPECT_THROW((void)make(), Unsupported);
  fake_cuda().memory = memory;
}

TEST(Support, HasReasons) {
  reset_fakes();
  EXPECT_EQ(unsupported(Request{kFp8Bf16, {1, 16, 32}}.problem()), "") << "any m is fine";
  EXPECT_THAT(unsupported(Request{kFp8Bf16, {16, 17, 32}}.problem()),
              HasSubstr("fp8_e4m3 kernels need n and k to be multiples of 16, not n 17 and k 32"));
  EXPECT_THAT(unsupported(Request{kFp8Bf16, {16, 32, 24}}.problem()), HasSubstr("k 24"));
  EXPECT_THAT(unsupported(Request{kInt8, {16, 32, 6}}.problem()), HasSubstr("multiples of 4"));
  auto mixed = Request{kF16, {16, 16, 16}}.problem();
  mixed.c = Dtype::f32;
  EXPECT_EQ(unsupported(mixed), "cuBLASLt is not measured for f16 x f16 -> f32");
  fake_cuda().compute_major = 8;
  EXPECT_THAT(unsupported(Request{kFp8Bf16, {16, 16, 16}}.problem()),
              HasSubstr("needs compute capability 8.9 or newer; Fake GPU has 8.0"));
  EXPECT_EQ(unsupported(Request{kBf16, {16, 16, 16}}.problem()), "");
  fake_cuda().devices = 0;
  EXPECT_THAT(unsupported(Request{kBf16, {16, 16, 16}}.problem()),
              HasSubstr("cuBLASLt needs a CUDA device: the NVIDIA driver sees no CUDA device"));
}

TEST(Support, OfLayoutsDependsOnTypesAndCard) {
  reset_fakes();
  const ExpertGemmShape shape{16, 32, 64};
  for (const std::string layout : {"TN", "NN", "NT", "TT"}) {
    EXPECT_EQ(unsupported(Request{kBf16, shape, layout}.problem()), "");
    if (layout == "TN") continue;
    EXPECT_EQ(
        unsupported(Request{kGradient, shape, layout}.problem()),
        "fp8_e5m2 x fp8_e4m3 -> bf16 in layout " + layout +
            " with scale mode tensor needs compute capability 10.0 to 11.9; Fake GPU has 9.0");
    EXPECT_EQ(unsupported(Request{kInt8, shape, layout}.problem()),
              "cuBLASLt's int8 kernels take the layout TN only, not " + layout);
  }
  fake_cuda().compute_major = 10;
  EXPECT_EQ(unsupported(Request{kGradient, shape, "NN"}.problem()), "");
  EXPECT_EQ(unsupported(Request{kGradient, {17, 32, 64}, "NN"}.problem()), "") << "any m is fine";
  EXPECT_THAT(unsupported(Request{kGradient, {17, 32, 64}, "NT"}.problem()),
              HasSubstr("need m, n and k to be multiples of 16, not m 17, n 32 and k 64"));
  fake_cuda().compute_major = 12;
  EXPECT_THAT(unsupported(Request{kGradient, shape, "NN"}.problem()), HasSubstr("10.0 to 11.9"));
  EXPECT_EQ(unsupported(Request{kGradient, shape}.problem()), "");
  auto both = Request{kGradient, shape}.problem();
  both.b = Dtype::fp8_e5m2;
  EXPECT_EQ(unsupported(both), "cuBLASLt is not measured for fp8_e5m2 x fp8_e5m2 -> bf16");
}

TEST(Support, OfScaleModesDependsOnTheCard) {
  reset_fakes();
  const ExpertGemmShape shape{16, 32, 256};
  const auto reason = [&](const std::string& mode, const std::string& layout = "TN") {
    return unsupported(Request{kFp8Bf16, shape, layout, mode}.problem());
  };
  const std::vector<std::string> hopper{"outer_vector", "block_1x128", "block_128x128"};
  for (const auto& mode : hopper) {
    EXPECT_EQ(reason(mode), "");
    EXPECT_EQ(reason(mode, "NN"), "cuBLASLt's FP8 kernels with scale mode " + mode +
                                      " take the layout TN only, not NN");
  }
  EXPECT_THAT(reason("mx"), HasSubstr("with scale mode mx needs compute capability 10.0 or newer; "
                                      "Fake GPU has 9.0"));
  EXPECT_THAT(reason("none"), HasSubstr("block_128x128 or mx, not none"));
  fake_cuda().compute_major = 10;
  EXPECT_EQ(reason("mx"), "");
  EXPECT_EQ(reason("mx", "NN"), "");
  for (const auto& mode : hopper)
    EXPECT_THAT(reason(mode), HasSubstr("with scale mode " + mode +
                                        " needs compute capability 9.0; Fake GPU has 10.0"));
}

TEST(Support, OfScaleModesDependsOnTypesAndSizes) {
  reset_fakes();
  EXPECT_THAT(unsupported(Request{kFp8Bf16, {17, 32, 256}, "TN", "block_1x128"}.problem()),
              HasSubstr("scale mode block_1x128 needs m to be a multiple of 4, not 17"));
  EXPECT_EQ(unsupported(Request{kFp8Bf16, {17, 32, 256}, "TN", "outer_vector"}.problem()), "");
  EXPECT_THAT(unsupported(Request{kBf16, {16, 32, 64}, "TN", "tensor"}.problem()),
              HasSubstr("with scale mode none, not tensor"));
  EXPECT_EQ(unsupported(Request{kInt8Scaled, {16, 32, 64}, "TN", "tensor"}.problem()), "");
  EXPECT_THAT(unsupported(Request{kInt8Scaled, {16, 32, 64}}.problem()),
              HasSubstr("int8 x int8 -> int8 with scale mode tensor, not none"));
}

// The fake itself: a product through wrong layouts must not pass.
TEST(Fake, ShowsAWrongLeadingDimensionAndSwappedOperands) {
  reset_fakes();
  const auto problem = Request{kBf16, {16, 16, 16}}.problem();
  const auto operands = operands_of(problem);
  const auto weights = to_device(operands.b.data);
  const auto tokens = to_device(operands.a.data);
  const auto error_with = [&](const CublasLtPlan& plan, const CublasLtAddresses& addresses) {
    const CublasLtMatmul matmul{plan, {}};
    matmul.launch(addresses, matmul.candidates(addresses, 0, 1).at(0), {}, nullptr);
    auto c = zero_matrix(problem.c, {16, 16});
    copy_bytes(c.data.data(), addresses.result, c.data.size());
    return full_error(problem, operands, c);
  };
  const DeviceBuffer result{16 * 16 * 2};
  const CublasLtAddresses right{weights.data(), tokens.data(), result.data()};
  const double tolerance = product_tolerance(problem);
  EXPECT_LE(error_with(plan_cublaslt(problem), right), tolerance);
  EXPECT_GT(error_with(plan_cublaslt(problem), {tokens.data(), weights.data(), result.data()}),
            tolerance);
  auto plan = plan_cublaslt(problem);
  plan.weights.operation = CUBLAS_OP_N;
  EXPECT_GT(error_with(plan, right), tolerance) << "weights that are read the other way round";
  plan = plan_cublaslt(problem);
  plan.weights.leading_dimension = 17;
  EXPECT_THAT(thrown_message([&] { (void)error_with(plan, right); }),
              HasSubstr("launching a cuBLASLt product failed"));
}

// Two rows of weights by two blocks of 128, scaled 1, 2, 4, 8.
ScaleGrid two_by_two(const ScaleBlock& block) { return {block, 2, 2, {1, 2, 4, 8}}; }

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(Scales, LieWhereTheManualSays) {
  const PeriodicMatrix none;
  EXPECT_EQ(
      floats(arrange_scales(CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F, none, two_by_two({1, 128}))),
      (std::vector<float>{1, 4, 2, 8}))
      << "rows are contiguous";
  EXPECT_EQ(floats(arrange_scales(CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F, none,
                                  two_by_two({128, 128}))),
            (std::vector<float>{1, 2, 0, 0, 4, 8, 0, 0}))
      << "blocks along k are, a multiple of four of them";
  ScaleGrid grid{{1, 32}, 130, 5, std::vector<float>(130 * 5, 1)};
  grid.scales[33 * 5 + 2] = 0.5F;  // within the first tile: (33 % 32) 16 + (33 / 32) 4 + 2
  grid.scales[1 * 5 + 4] = 4;      // in the second tile along k: 512 + 16 + 0
  grid.scales[129 * 5 + 4] = 2;    // row 1 of the second 128, whose tiles are the third and fourth
  const auto bytes = arrange_scales(CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0, none, grid);
  ASSERT_EQ(bytes.size(), 256u * 8);
  const auto at = [&](std::size_t index) { return std::to_integer<int>(bytes[index]); };
  EXPECT_EQ(at(0), 127);
  EXPECT_EQ(at(16 + 4 + 2), 126);
  EXPECT_EQ(at(512 + 16), 129);
  EXPECT_EQ(at(3 * 512 + 16), 128);
  EXPECT_EQ(at(512 + 1), 0) << "outside the grid";
  EXPECT_EQ(at(2 * 512 + 32), 0);
}

TEST(Fake, ShowsScalesInAnotherOrderOrTooFew) {
  reset_fakes();
  const auto problem = Request{kFp8Bf16, {16, 32, 256}, "TN", "block_1x128"}.problem();
  const auto operands = operands_of(problem);
  const auto weights = to_device(operands.b.data);
  const auto tokens = to_device(operands.a.data);
  const DeviceBuffer result{16 * 32 * 2};
  const CublasLtAddresses addresses{weights.data(), tokens.data(), result.data()};
  const auto error_with = [&](const CublasLtPlan& plan, const CublasLtScales& scales) {
    const CublasLtMatmul matmul{plan, scales};
    matmul.launch(addresses, matmul.candidates(addresses, 0, 1).at(0), {}, nullptr);
    auto c = zero_matrix(problem.c, {16, 32});
    copy_bytes(c.data.data(), addresses.result, c.data.size());
    return full_error(problem, operands, c);
  };
  auto plan = plan_cublaslt(problem);
  const CublasLtOperandScales right{plan, operands};
  EXPECT_LE(error_with(plan, right.get()), product_tolerance(problem));
  const auto plain = to_device(std::span<const float>{operands.b_scales.scales});
  EXPECT_GT(error_with(plan, {plain.data(), right.get().tokens}), product_tolerance(problem));
  const auto swapped = right.get();
  EXPECT_THAT(thrown_message([&] {
                (void)error_with(plan, {swapped.tokens, swapped.weights});
              }),
              HasSubstr("launching a cuBLASLt product failed"))
      << "the tokens' scales are too few for the weights";
  plan.scale_modes = {CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F,
                      CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F};
  EXPECT_THAT(thrown_message([&] { (void)error_with(plan, right.get()); }),
              HasSubstr("launching a cuBLASLt product failed"));
}

TEST(Trial, RunsFromSweepToVerification) {
  reset_fakes();
  const auto benchmark = bench::make_expert_gemm();
  const auto world = make_single_rank_plane();
  bench::Context context{*world, 0};
  bench::Case c;
  c.point = {{"m", 24}, {"n", 32}, {"k", 64}};
  c.dtypes = {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", "TN"};
  const auto implementation = benchmark->implementations().at(0);
  EXPECT_EQ(implementation.name, "cublaslt");
  EXPECT_EQ(implementation.backend, "cuda");
  const auto trial = benchmark->make_trial(implementation, c, context);
  trial->prepare(3);
  for (int set = 2; set >= 0; --set) trial->launch(set, nullptr);
  const auto verification = trial->verify();
  EXPECT_EQ(verification.method, "full");
  EXPECT_LE(verification.max_rel_error, verification.tolerance);
  EXPECT_EQ(trial->library().name, "cuBLASLt");
}

// What a cold point is refused by, in device memory.
TEST(WrittenSets, OfADeviceAreToldApart) {
  reset_fakes();
  const auto world = make_single_rank_plane();
  bench::Context context{*world, 0};
  bench::Case c;
  c.point = {{"m", 16}, {"n", 16}, {"k", 16}};
  c.dtypes = {"bf16", "bf16", "bf16", "f32", "none", "TN"};
  const auto trial = bench::make_expert_gemm()->make_trial({"cublaslt", "cuda"}, c, context);
  trial->prepare(3);
  bench::ResultMarks marks{*trial, Memory::Place::device, 3};
  const auto unwritten_after = [&](const std::vector<int>& sets) {
    marks.make();
    for (const int set : sets) trial->launch(set, nullptr);
    return marks.unwritten();
  };
  EXPECT_EQ(unwritten_after({1, 2}), 0);
  EXPECT_EQ(unwritten_after({0, 1}), 2);
  EXPECT_EQ(unwritten_after({0, 1, 2}), -1);
  EXPECT_FALSE(fake_cuda().copy_under_way) << "marks are made before a launch";
}

}  // namespace
}  // namespace moecal::kernels
