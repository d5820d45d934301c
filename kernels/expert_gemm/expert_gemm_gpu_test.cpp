// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <iostream>

#include "core/error.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "kernels/expert_gemm/expert_gemm_sweep.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"

// The real cuBLASLt on the first device against the oracle.
namespace moecal::kernels {
namespace {

// A family, and behind a space a layout, "gradient" or "to_f16".
ExpertGemmProblem problem_of(const std::string& types, const ExpertGemmShape& shape) {
  const auto space = types.find(' ');
  const auto family = types.substr(0, space);
  auto dtypes = expert_gemm_dtypes(family);
  if (space != std::string::npos) {
    const auto form = types.substr(space + 1);
    if (form == "to_f16")
      dtypes.c = "f16";
    else
      dtypes.layout = form;
    if (form == "gradient") dtypes = expert_gemm_gradient_dtypes(family, "NN");
  }
  return expert_gemm_problem({{"m", shape.m}, {"n", shape.n}, {"k", shape.k}}, dtypes);
}

// Its documents name no least number of rows for int8, and others that call it pad or refuse few:
// whether it has an algorithm there is for the card to say.
bool may_lack_an_algorithm(const ExpertGemmProblem& problem) {
  return problem.a == Dtype::int8 && problem.shape.m < 64;
}

// Null, with the reason in `reasons`, where the card or the library cannot and may not be able to.
std::unique_ptr<ExpertGemm> make_if_supported(const ExpertGemmSetup& setup, std::string& reasons) {
  bool is_promised = false;
  try {
    check_expert_gemm_cublaslt(setup.problem, 0);
    is_promised = !may_lack_an_algorithm(setup.problem);
    return make_expert_gemm_cublaslt(setup);
  } catch (const Unsupported& reason) {
    EXPECT_FALSE(is_promised) << reason.what();
    reasons += std::string{reason.what()} + "\n";
    return nullptr;
  }
}

class OnGpu : public testing::TestWithParam<std::string> {};

TEST_P(OnGpu, EqualsTheOracle) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  int done = 0;
  std::string reasons;
  for (const ExpertGemmShape& shape : std::vector<ExpertGemmShape>{
           {1, 16, 16}, {31, 64, 48}, {33, 4096, 256}, {100, 112, 1040}, {1024, 2048, 512}}) {
    const auto problem = problem_of(GetParam(), shape);
    const auto operands = make_expert_gemm_operands(problem, 7);
    const auto gemm = make_if_supported({problem, operands, 2}, reasons);
    if (gemm == nullptr) continue;
    ++done;
    const CudaStream stream;
    gemm->launch(1, stream.get());
    gemm->launch(0, stream.get());
    const auto checked = check_product(problem, operands, gemm->result());
    EXPECT_LE(checked.max_rel_error, checked.tolerance)
        << "m " << shape.m << " n " << shape.n << " k " << shape.k << ", "
        << gemm->library().algorithm;
  }
  RecordProperty("skipped_shapes", reasons);
  if (!reasons.empty()) std::cout << "skipped shapes:\n" << reasons;
  if (done == 0) GTEST_SKIP() << reasons;
}
INSTANTIATE_TEST_SUITE_P(Types, OnGpu,
                         testing::Values("fp8_e4m3", "f16", "bf16", "f32", "int8", "bf16 NN",
                                         "bf16 NT", "f16 TT", "f32 NN", "fp8_e4m3 gradient",
                                         "fp8_e4m3 NN", "fp8_e4m3 to_f16", "fp8_e4m3/outer_vector",
                                         "fp8_e4m3/block_1x128", "fp8_e4m3/block_128x128",
                                         "fp8_e4m3/mx", "fp8_e4m3/mx NT", "int8/tensor"));

}  // namespace
}  // namespace moecal::kernels
