// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/benchmark.hpp"
#include "core/error.hpp"
#include "kernels/expert_gemm/cublaslt_matmul.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "runtime/buffer.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"
#include "tests/thrown_message.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_expert_gemm();
}

namespace moecal::kernels {
namespace {

using testing::HasSubstr;
using tests::fake_cublaslt;
using tests::fake_cuda;
using tests::RecordedLayout;
using tests::RecordedMatmul;

struct Types {
  Dtype tokens, weights, result;
  cudaDataType_t tokens_type, weights_type, result_type;
  cublasComputeType_t compute;
  cudaDataType_t scale;
  bool scaled;
};
constexpr auto kCompute = CUBLAS_COMPUTE_32F;
constexpr auto kE4m3 = Dtype::fp8_e4m3, kE5m2 = Dtype::fp8_e5m2;
constexpr auto kE4m3Type = CUDA_R_8F_E4M3, kE5m2Type = CUDA_R_8F_E5M2;
constexpr Types same(Dtype dtype, cudaDataType_t type) {
  return {dtype, dtype, dtype, type, type, type, kCompute, CUDA_R_32F, false};
}
constexpr Types kFp8Bf16{kE4m3,       kE4m3,    Dtype::bf16, kE4m3Type, kE4m3Type,
                         CUDA_R_16BF, kCompute, CUDA_R_32F,  true};
constexpr Types kFp8F16{kE4m3,      kE4m3,    Dtype::f16, kE4m3Type, kE4m3Type,
                        CUDA_R_16F, kCompute, CUDA_R_32F, true};
constexpr Types kGradient{kE5m2,       kE4m3,    Dtype::bf16, kE5m2Type, kE4m3Type,
                          CUDA_R_16BF, kCompute, CUDA_R_32F,  true};
constexpr Types kWeightGradient{kE4m3,      kE5m2,    Dtype::f16, kE4m3Type, kE5m2Type,
                                CUDA_R_16F, kCompute, CUDA_R_32F, true};
constexpr Types kF16 = same(Dtype::f16, CUDA_R_16F);
constexpr Types kBf16 = same(Dtype::bf16, CUDA_R_16BF);
constexpr Types kF32 = same(Dtype::f32, CUDA_R_32F);
constexpr Types kInt8{Dtype::int8, Dtype::int8,        Dtype::int32, CUDA_R_8I, CUDA_R_8I,
                      CUDA_R_32I,  CUBLAS_COMPUTE_32I, CUDA_R_32I,   false};

struct Request {
  Types types;
  ExpertGemmShape shape;
  std::string layout = "TN";
  [[nodiscard]] ExpertGemmProblem problem() const {
    return {shape, types.tokens, types.weights, types.result, types.scaled ? "tensor" : "none",
            layout};
  }
};

std::string request_name(const testing::TestParamInfo<Request>& info) {
  const auto& [types, shape, layout] = info.param;
  return std::string{to_string(types.tokens)} + "_" + std::string{to_string(types.weights)} + "_" +
         std::string{to_string(types.result)} + "_" + layout + "_m" + std::to_string(shape.m) +
         "_n" + std::to_string(shape.n) + "_k" + std::to_string(shape.k);
}

// Each test starts with a device and eight candidates that take 2 ms.
void reset_fakes() {
  fake_cuda().devices = 1;
  fake_cuda().compute_major = 9;
  fake_cublaslt() = {};
  fake_cublaslt().candidates.assign(8, {2.0, true});
}

// Uniform operands whose scales differ, so that a swap would show.
ExpertGemmOperands operands_of(const ExpertGemmProblem& problem) {
  auto operands = make_expert_gemm_operands(problem, 9);
  if (problem.scale_mode != "tensor") return operands;
  operands.a.scale *= 0.5F;
  operands.b.scale *= 2.0F;
  return operands;
}

void expect_layout(const RecordedLayout& layout, const RecordedLayout& expected) {
  EXPECT_EQ(layout.type, expected.type);
  EXPECT_EQ(layout.rows, expected.rows);
  EXPECT_EQ(layout.columns, expected.columns);
  EXPECT_EQ(layout.leading_dimension, expected.leading_dimension);
}

class Recording : public testing::TestWithParam<Request> {
 protected:
  void SetUp() override { reset_fakes(); }
  void TearDown() override {
    gemm_.reset();
    EXPECT_EQ(fake_cublaslt().live_objects, 0) << "every cuBLASLt object is destroyed";
    EXPECT_TRUE(fake_cuda().buffers.empty()) << "all device memory is freed";
  }
  // Prepares two buffer sets and launches both; returns the record of the last launch.
  const RecordedMatmul& launch() {
    gemm_ = make_expert_gemm_cublaslt({problem_, operands_, 2});
    gemm_->launch(1, kStream);
    gemm_->launch(0, kStream);
    return fake_cublaslt().matmuls.back();
  }

  static inline const Stream kStream = reinterpret_cast<Stream>(0x5EA);
  const Types types_ = GetParam().types;
  const ExpertGemmShape shape_ = GetParam().shape;
  const ExpertGemmProblem problem_ = GetParam().problem();
  const ExpertGemmOperands operands_ = operands_of(problem_);
  std::unique_ptr<ExpertGemm> gemm_;
};

TEST_P(Recording, LayoutsAreRowMajorMatricesReadColumnMajor) {
  const auto& layout = GetParam().layout;
  const auto& call = launch();
  const auto [m, n, k] =
      std::array{static_cast<std::uint64_t>(shape_.m), static_cast<std::uint64_t>(shape_.n),
                 static_cast<std::uint64_t>(shape_.k)};
  if (layout[0] == 'T')
    expect_layout(call.a, {types_.weights_type, k, n, shape_.k});
  else
    expect_layout(call.a, {types_.weights_type, n, k, shape_.n});
  if (layout[1] == 'N')
    expect_layout(call.b, {types_.tokens_type, k, m, shape_.k});
  else
    expect_layout(call.b, {types_.tokens_type, m, k, shape_.m});
  expect_layout(call.c, {types_.result_type, n, m, shape_.n});
  expect_layout(call.d, {types_.result_type, n, m, shape_.n});
}

TEST_P(Recording, DescriptorSaysTheLayoutAndFp32OrInt32Arithmetic) {
  const auto& operation = launch().operation;
  EXPECT_EQ(operation.compute, types_.compute);
  EXPECT_EQ(operation.scale, types_.scale);
  const auto& attributes = operation.attributes;
  const auto operation_of = [](char letter) { return letter == 'T' ? CUBLAS_OP_T : CUBLAS_OP_N; };
  EXPECT_EQ(attributes.get<cublasOperation_t>(CUBLASLT_MATMUL_DESC_TRANSA),
            operation_of(GetParam().layout[0]));
  EXPECT_EQ(attributes.get<cublasOperation_t>(CUBLASLT_MATMUL_DESC_TRANSB),
            operation_of(GetParam().layout[1]));
  EXPECT_FALSE(attributes.has(CUBLASLT_MATMUL_DESC_EPILOGUE));
  EXPECT_FALSE(attributes.has(CUBLASLT_MATMUL_DESC_POINTER_MODE))
      << "alpha and beta are the host's";
}

TEST_P(Recording, ScalesArePerTensorDevicePointers) {
  const auto& attributes = launch().operation.attributes;
  EXPECT_FALSE(attributes.has(CUBLASLT_MATMUL_DESC_D_SCALE_POINTER));
  for (const auto& [pointer, mode, scale] :
       {std::tuple{CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, CUBLASLT_MATMUL_DESC_A_SCALE_MODE,
                   operands_.b.scale},
        std::tuple{CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, CUBLASLT_MATMUL_DESC_B_SCALE_MODE,
                   operands_.a.scale}}) {
    ASSERT_EQ(attributes.has(pointer), types_.scaled);
    ASSERT_EQ(attributes.has(mode), types_.scaled);
    if (!types_.scaled) continue;
    EXPECT_EQ(attributes.get<std::int32_t>(mode), CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F);
    const auto* address = attributes.get<const float*>(pointer);
    ASSERT_TRUE(fake_cuda().owns(address, sizeof(float)));
    EXPECT_EQ(*address, scale);
  }
  EXPECT_EQ(attributes.has(CUBLASLT_MATMUL_DESC_FAST_ACCUM), types_.scaled);
  if (types_.scaled) {
    EXPECT_EQ(attributes.get<std::int8_t>(CUBLASLT_MATMUL_DESC_FAST_ACCUM), 0);
  }
}

TEST_P(Recording, EachSetHasItsOwnBuffersAndTheCallersStream) {
  const auto last = launch();
  const auto before = fake_cublaslt().matmuls.at(fake_cublaslt().matmuls.size() - 2);
  EXPECT_NE(last.a_address, before.a_address);
  EXPECT_NE(last.b_address, before.b_address);
  EXPECT_NE(last.d_address, before.d_address);
  for (const auto& call : {last, before}) {
    EXPECT_EQ(call.c_address, call.d_address);
    EXPECT_EQ(call.stream, kStream);
    EXPECT_EQ(call.alpha, 1);
    EXPECT_EQ(call.beta, 0);
    EXPECT_EQ(std::memcmp(call.a_address, operands_.b.data.data(), operands_.b.data.size()), 0);
    EXPECT_EQ(std::memcmp(call.b_address, operands_.a.data.data(), operands_.a.data.size()), 0);
  }
}

TEST_P(Recording, WorkspaceAndAlignmentsAreToldToTheHeuristic) {
  const auto& call = launch();
  EXPECT_EQ(call.workspace_bytes, 32u << 20);
  EXPECT_TRUE(fake_cuda().owns(call.workspace, call.workspace_bytes));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(call.workspace) % 256, 0u);
  ASSERT_EQ(fake_cublaslt().heuristics.size(), 1u);
  const auto& heuristic = fake_cublaslt().heuristics[0];
  EXPECT_GE(heuristic.requested, 8);
  const auto& preference = heuristic.preference;
  EXPECT_EQ(preference.get<std::uint64_t>(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES), 32u << 20);
  for (const auto alignment :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    EXPECT_EQ(preference.get<std::uint32_t>(alignment), 256u);
  EXPECT_EQ(heuristic.operation.attributes.has(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER), types_.scaled)
      << "the heuristic has to know about the scales";
}

TEST_P(Recording, ProductThroughTheLayoutsEqualsTheOracle) {
  (void)launch();
  EXPECT_LE(full_error(problem_, operands_, gemm_->result()), product_tolerance(problem_));
}

INSTANTIATE_TEST_SUITE_P(
    Requests, Recording,
    testing::Values(Request{kFp8Bf16, {16, 32, 48}}, Request{kFp8Bf16, {1, 16, 16}},
                    Request{kFp8Bf16, {33, 64, 16}}, Request{kFp8F16, {31, 48, 80}},
                    Request{kF16, {16, 32, 48}}, Request{kF16, {31, 33, 7}},
                    Request{kF16, {1, 100, 3}}, Request{kBf16, {16, 32, 48}},
                    Request{kBf16, {33, 1, 65}}, Request{kBf16, {100, 31, 33}},
                    Request{kF32, {5, 33, 9}}, Request{kInt8, {31, 36, 20}},
                    Request{kGradient, {33, 48, 32}}, Request{kWeightGradient, {48, 32, 16}},
                    Request{kBf16, {33, 20, 17}, "NN"}, Request{kBf16, {33, 20, 17}, "NT"},
                    Request{kF16, {7, 31, 12}, "TT"}, Request{kF32, {31, 33, 5}, "NN"},
                    Request{kGradient, {16, 48, 32}, "NN"}, Request{kGradient, {48, 16, 32}, "NT"}),
    request_name);

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

TEST_F(Candidates, ShortOnesAreTimedInBatches) {
  fake_cublaslt().candidates = {{0.01, true}};
  (void)make();
  EXPECT_GE(fake_cublaslt().matmuls.size(), 3 * 100u) << "an event resolves half a microsecond";
}

TEST_F(Candidates, LoadingAKernelCountsForNothing) {
  fake_cublaslt().candidates = {{0.02, true, 40}, {0.01, true, 50}, {0.03, true, 0}};
  const auto gemm = make();
  EXPECT_THAT(gemm->library().algorithm, HasSubstr("id=101"));
  std::map<int, int> launches;
  for (const auto& call : fake_cublaslt().matmuls) ++launches[call.candidate];
  EXPECT_GE(launches[0], 3 * 50) << "a timing lasts a millisecond, whatever the first launch took";
  EXPECT_GE(launches[1], 3 * 100);
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

std::string unsupported(const ExpertGemmProblem& problem) {
  try {
    check_expert_gemm_cublaslt(problem, 0);
  } catch (const Unsupported& reason) {
    return reason.what();
  }
  return "";
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
  auto blocks = Request{kFp8Bf16, {16, 16, 16}}.problem();
  blocks.scale_mode = "block_1x128";
  EXPECT_THAT(unsupported(blocks), HasSubstr("with scale mode tensor, not block_1x128"));
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
    EXPECT_EQ(unsupported(Request{kGradient, shape, layout}.problem()),
              "fp8_e5m2 x fp8_e4m3 -> bf16 in layout " + layout +
                  " needs compute capability 10.0 to 11.9; Fake GPU has 9.0");
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

// The fake itself: a product through wrong layouts must not pass.
TEST(Fake, ShowsAWrongLeadingDimensionAndSwappedOperands) {
  reset_fakes();
  const auto problem = Request{kBf16, {16, 16, 16}}.problem();
  const auto operands = operands_of(problem);
  const auto weights = to_device(std::span<const std::byte>{operands.b.data});
  const auto tokens = to_device(std::span<const std::byte>{operands.a.data});
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

}  // namespace
}  // namespace moecal::kernels
