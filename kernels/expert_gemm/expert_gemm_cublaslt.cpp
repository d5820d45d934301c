// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "kernels/expert_gemm/cublaslt_scales.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"
#include "runtime/event.hpp"

namespace moecal::kernels {
namespace {

using Candidate = CublasLtMatmul::Candidate;

// What NVIDIA recommends for Hopper; split-K algorithms need some.
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
constexpr int kCandidates = 16;
// A candidate is timed three times over about a millisecond: an event resolves half a microsecond.
constexpr Seconds kTimedFor{1e-3};
constexpr int kMostLaunches = 1024;
constexpr int kTimings = 3;

DeviceBuffer on_device(const HostMatrix& matrix) {
  return to_device(std::span<const std::byte>{matrix.data});
}

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
        workspace_{kWorkspaceBytes},
        matmul_{plan_cublaslt(setup.problem), scales_.get()} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup.operands);
    choose_algorithm();
  }

  void launch(int set, Stream stream) override {
    launch(sets_[static_cast<std::size_t>(set)], chosen_, stream);
  }

  [[nodiscard]] HostMatrix result() const override {
    check(cudaDeviceSynchronize(), "waiting for the products");
    auto matrix = zero_matrix(problem_.c, {problem_.shape.m, problem_.shape.n});
    copy_bytes(matrix.data.data(), sets_[0].result.data(), matrix.data.size());
    return matrix;
  }

  [[nodiscard]] LibraryInfo library() const override {
    return {"cuBLASLt", cublaslt_version(),
            describe_algorithm(chosen_.algo) + " rank=" + std::to_string(rank_) + "/" +
                std::to_string(candidates_),
            static_cast<std::int64_t>(chosen_.workspaceSize)};
  }

 private:
  void add_set(const ExpertGemmOperands& operands) {
    const auto result_bytes =
        static_cast<std::size_t>(problem_.shape.m * problem_.shape.n * size_of(problem_.c));
    sets_.push_back({on_device(operands.b), on_device(operands.a), DeviceBuffer{result_bytes}});
  }

  void launch(const BufferSet& set, const Candidate& candidate, Stream stream) const {
    matmul_.launch(set.addresses(), candidate, {workspace_.data(), workspace_.size()}, stream);
  }

  // Buffer sets come from the same allocator and are aligned alike, so set 0 speaks for all.
  void choose_algorithm() {
    const auto found = matmul_.candidates(sets_[0].addresses(), kWorkspaceBytes, kCandidates);
    Seconds best{std::numeric_limits<double>::infinity()};
    std::string refusal;
    for (std::size_t index = 0; index < found.size(); ++index) {
      const Seconds time = time_of(found[index], refusal);
      if (time >= best) continue;
      best = time;
      chosen_ = found[index];
      rank_ = index + 1;
    }
    candidates_ = found.size();
    if (rank_ == 0)
      throw Error{"none of cuBLASLt's candidate algorithms ran; the last: " + refusal};
  }

  // Per launch; infinite if cuBLASLt refuses it, and why. A kernel's first launch also loads it, so
  // it tells nothing of how many launches a timing needs.
  Seconds time_of(const Candidate& candidate, std::string& refusal) const {
    try {
      (void)time_of(candidate, 1);
      int launches = 1;
      Seconds total = time_of(candidate, launches);
      while (total < kTimedFor && launches < kMostLaunches)
        total = time_of(candidate, launches *= 2);
      for (int timing = 1; timing < kTimings; ++timing)
        total = std::min(total, time_of(candidate, launches));
      return total / launches;
    } catch (const Error& error) {
      refusal = error.what();
      return Seconds{std::numeric_limits<double>::infinity()};
    }
  }

  // Of that many launches, one after the other.
  Seconds time_of(const Candidate& candidate, int launches) const {
    const CudaStream stream;
    CudaEvent start;
    CudaEvent stop;
    start.record(stream.get());
    for (int i = 0; i < launches; ++i) launch(sets_[0], candidate, stream.get());
    stop.record(stream.get());
    stop.synchronize();
    return elapsed(start, stop);
  }

  ExpertGemmProblem problem_;
  CublasLtOperandScales scales_;
  DeviceBuffer workspace_;
  CublasLtMatmul matmul_;
  std::vector<BufferSet> sets_;
  Candidate chosen_{};
  std::size_t rank_ = 0;  // of the chosen one among the candidates, from 1
  std::size_t candidates_ = 0;
};

}  // namespace

void check_expert_gemm_cublaslt(const ExpertGemmProblem& problem, int device) {
  (void)plan_cublaslt(problem);
  const auto found = find_cuda_devices();
  if (found.devices.empty()) throw Unsupported{"cuBLASLt needs a CUDA device: " + found.reason};
  const auto& properties = found.devices.at(static_cast<std::size_t>(device));
  const int capability = 10 * properties.compute_major + properties.compute_minor;
  const auto needed = capabilities_for(problem);
  if (capability < needed.least || capability > needed.most)
    throw Unsupported{
        type_names(problem) +
        (problem.scale_mode == "none" ? "" : " with scale mode " + problem.scale_mode) +
        " needs compute capability " + to_string(needed) + "; " + properties.name + " has " +
        std::to_string(properties.compute_major) + "." + std::to_string(properties.compute_minor)};
  use_cuda_device(device);
}

std::unique_ptr<ExpertGemm> make_expert_gemm_cublaslt(const ExpertGemmSetup& setup) {
  return std::make_unique<CublasLtGemm>(setup);
}

}  // namespace moecal::kernels
