// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "core/error.hpp"
#include "kernels/expert_gemm/cublas_workspace.hpp"
#include "kernels/expert_gemm/cublaslt_choice.hpp"
#include "kernels/expert_gemm/cublaslt_scales.hpp"
#include "kernels/expert_gemm/device_matrix.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "runtime/device_fill.hpp"
#include "runtime/device_info.hpp"

namespace moecal::kernels {
namespace {

struct BufferSet {
  DeviceBuffer weights;
  DeviceBuffer tokens;
  DeviceBuffer result;
  [[nodiscard]] CublasLtAddresses addresses() const {
    return {weights.data(), tokens.data(), result.data()};
  }
};

class CublasLtGemm final : public ExpertGemm {
 public:
  explicit CublasLtGemm(const ExpertGemmSetup& setup)
      : problem_{setup.problem},
        scales_{plan_cublaslt(setup.problem), setup.operands},
        workspace_{kCublasWorkspaceBytes},
        matmul_{plan_cublaslt(setup.problem), scales_.get()} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup.operands);
    std::vector<CublasLtAddresses> addresses;
    for (const auto& set : sets_) addresses.push_back(set.addresses());
    choice_ = choose_algorithm(matmul_, addresses, workspace(), kTimingOfOne);
    for (const auto& set : sets_) mark_unwritten(set.result.data(), set.result.size());
  }

  void launch(int set, Stream stream) override {
    matmul_.launch(sets_[static_cast<std::size_t>(set)].addresses(), choice_.candidate, workspace(),
                   stream);
  }

  [[nodiscard]] HostMatrix result() const override {
    return from_device(problem_.c, {problem_.shape.m, problem_.shape.n}, sets_[0].result);
  }

  [[nodiscard]] HostMatrix result_rows(std::span<const std::int64_t> rows) const override {
    return rows_from_device(problem_.c, problem_.shape.n, rows, sets_[0].result);
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& result = sets_[static_cast<std::size_t>(set)].result;
    return {result.data(), result.size()};
  }

  [[nodiscard]] LibraryInfo library() const override {
    return {"cuBLASLt", cublaslt_version(), describe(choice_),
            static_cast<std::int64_t>(choice_.candidate.workspaceSize)};
  }

 private:
  void add_set(const ExpertGemmOperands& operands) {
    const auto result_bytes =
        static_cast<std::size_t>(problem_.shape.m * problem_.shape.n * size_of(problem_.c));
    sets_.push_back({on_device(operands.b), on_device(operands.a), DeviceBuffer{result_bytes}});
  }

  [[nodiscard]] CublasLtWorkspace workspace() const {
    return {workspace_.data(), workspace_.size()};
  }

  ExpertGemmProblem problem_;
  CublasLtOperandScales scales_;
  DeviceBuffer workspace_;
  CublasLtMatmul matmul_;
  std::vector<BufferSet> sets_;
  CublasLtChoice choice_;
};

}  // namespace

void check_expert_gemm_cublaslt(const ExpertGemmProblem& problem, int device) {
  (void)plan_cublaslt(problem);
  const auto found = find_cuda_devices();
  if (found.devices.empty()) throw Unsupported{"cuBLASLt needs a CUDA device: " + found.reason};
  const auto& properties = found.devices.at(static_cast<std::size_t>(device));
  const int capability = 10 * properties.compute_major + properties.compute_minor;
  const auto needed = capabilities_for(problem);
  const auto scales = problem.scale_mode == "none" ? "" : " with scale mode " + problem.scale_mode;
  if (capability < needed.least || capability > needed.most)
    throw Unsupported{type_names(problem) + scales + " needs compute capability " +
                      to_string(needed) + "; " + properties.name + " has " +
                      std::to_string(properties.compute_major) + "." +
                      std::to_string(properties.compute_minor)};
  use_cuda_device(device);
}

std::unique_ptr<ExpertGemm> make_expert_gemm_cublaslt(const ExpertGemmSetup& setup) {
  return std::make_unique<CublasLtGemm>(setup);
}

}  // namespace moecal::kernels
