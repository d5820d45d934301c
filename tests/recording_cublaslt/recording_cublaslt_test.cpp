// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "kernels/expert_gemm/product_check.hpp"
#include "runtime/buffer.hpp"
#include "tests/recording_cublaslt/expert_gemm_requests.hpp"

namespace moecal::kernels {
namespace {

bool holds(const void* address, const PeriodicMatrix& matrix) {
  return matrix.data.equals(0, {static_cast<const std::byte*>(address), matrix.data.size()});
}

using tests::fake_cublaslt;
using tests::fake_cuda;
using tests::RecordedLayout;
using tests::RecordedMatmul;

void expect_layout(const RecordedLayout& layout, const RecordedLayout& expected) {
  EXPECT_EQ(layout.type, expected.type);
  EXPECT_EQ(layout.rows, expected.rows);
  EXPECT_EQ(layout.columns, expected.columns);
  EXPECT_EQ(layout.leading_dimension, expected.leading_dimension);
}

class Recording : public testing::TestWithParam<Request> {
 protected:
  void SetUp() override {
    reset_fakes();
    fake_cuda().compute_major = GetParam().compute_major();
    fake_cublaslt().candidates.resize(2);  // each is a few products on the CPU
  }
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

TEST_P(Recording, ScaleModesAreThoseOfTheOperands) {
  struct Modes {
    const char* name;
    cublasLtMatmulMatrixScale_t weights, tokens;
  };
  constexpr std::array<Modes, 5> kModes{{
      {"tensor", CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F, CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F},
      {"outer_vector", CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F,
       CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F},
      {"block_1x128", CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F,
       CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F},
      {"block_128x128", CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F,
       CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F},
      {"mx", CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0, CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0},
  }};
  const auto& attributes = launch().operation.attributes;
  EXPECT_EQ(attributes.has(CUBLASLT_MATMUL_DESC_A_SCALE_MODE), types_.scaled);
  EXPECT_EQ(attributes.has(CUBLASLT_MATMUL_DESC_B_SCALE_MODE), types_.scaled);
  EXPECT_FALSE(attributes.has(CUBLASLT_MATMUL_DESC_D_SCALE_MODE));
  if (!types_.scaled) return;
  const auto* modes = std::find_if(kModes.begin(), kModes.end(), [](const Modes& candidate) {
    return candidate.name == GetParam().mode();
  });
  ASSERT_NE(modes, kModes.end());
  EXPECT_EQ(attributes.get<std::int32_t>(CUBLASLT_MATMUL_DESC_A_SCALE_MODE), modes->weights);
  EXPECT_EQ(attributes.get<std::int32_t>(CUBLASLT_MATMUL_DESC_B_SCALE_MODE), modes->tokens);
}

TEST_P(Recording, ScalesPerTensorAreDevicePointers) {
  if (types_.scaled && GetParam().mode() != "tensor") return;
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
    EXPECT_EQ(call.alpha, types_.scaled ? 1 : operands_.a.scale * operands_.b.scale);
    EXPECT_EQ(call.beta, 0);
    EXPECT_TRUE(holds(call.a_address, operands_.b));
    EXPECT_TRUE(holds(call.b_address, operands_.a));
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
  // Split-K keeps FP32 sums.
  EXPECT_EQ(preference.get<std::uint32_t>(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK),
            std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  for (const auto alignment :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    EXPECT_EQ(preference.get<std::uint32_t>(alignment), 256u);
  EXPECT_EQ(heuristic.operation.attributes.has(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER), types_.scaled)
      << "the heuristic has to know about the scales";
}

TEST_P(Recording, ProductThroughTheLayoutsEqualsTheOracle) {
  (void)launch();
  const auto all = gemm_->result();
  EXPECT_LE(full_error(problem_, operands_, all), product_tolerance(problem_));
  std::vector<std::int64_t> rows;
  for (const std::int64_t row : {0, 1, 3})
    if (row < all.rows) rows.push_back(row);
  std::vector<std::byte> expected;
  for (const auto row : rows) expected.insert(expected.end(), all.row(row), all.row(row + 1));
  EXPECT_EQ(gemm_->result_rows(rows).data, expected);
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
                    Request{kGradient, {16, 48, 32}, "NN"}, Request{kGradient, {48, 16, 32}, "NT"},
                    Request{kInt8Scaled, {9, 36, 20}, "TN", "tensor"}),
    request_name);

// Rows and blocks that are no multiples of a tile's, and operands that differ in both.
INSTANTIATE_TEST_SUITE_P(Scales, Recording,
                         testing::Values(Request{kFp8Bf16, {33, 48, 272}, "TN", "outer_vector"},
                                         Request{kFp8Bf16, {36, 144, 272}, "TN", "block_1x128"},
                                         Request{kFp8F16, {132, 16, 128}, "TN", "block_1x128"},
                                         Request{kFp8Bf16, {36, 144, 528}, "TN", "block_128x128"},
                                         Request{kGradient, {12, 16, 16}, "TN", "block_128x128"},
                                         Request{kFp8Bf16, {133, 144, 272}, "TN", "mx"},
                                         Request{kGradient, {16, 144, 48}, "NN", "mx"},
                                         Request{kWeightGradient, {144, 16, 160}, "NT", "mx"}),
                         request_name);

// The caller's streams are non-blocking ones: nothing else makes them wait for the default stream.
TEST(CopyBytes, HasWaitedForTheDefaultStream) {
  const std::array<float, 2> host{1, 2};
  const auto on_device = to_device(std::span<const float>{host});
  EXPECT_FALSE(fake_cuda().copy_under_way);
}

}  // namespace
}  // namespace moecal::kernels
