// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/attention_cudnn.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "kernels/attention/cudnn_library.hpp"
#include "kernels/expert_gemm/candidate_choice.hpp"
#include "kernels/expert_gemm/device_matrix.hpp"
#include "runtime/device_fill.hpp"
#include "runtime/device_info.hpp"

namespace moecal::kernels {
namespace {

class CudnnAttention final : public Attention {
 public:
  CudnnAttention(const AttentionSetup& setup, CudnnPlanner& planner)
      : shape_{setup.shape}, graph_{planner.graph_of(shape_)}, workspace_{most_workspace()} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup.operands);
    const auto launch_plan = [this](std::size_t plan, std::size_t set, Stream stream) {
      graph_.launch(plan, sets_[set].addresses(workspace_), stream);
    };
    plan_ = fastest_candidate({"cuDNN's plans", graph_.plans().size(), sets_.size(), launch_plan},
                              kTimingOfOne);
    for (const auto& set : sets_) mark_unwritten(set.result.data(), set.result.size());
  }

  void launch(int set, Stream stream) override {
    graph_.launch(plan_, sets_[static_cast<std::size_t>(set)].addresses(workspace_), stream);
  }

  [[nodiscard]] std::vector<std::byte> result() const override {
    return from_device(shape_.type, {shape_.query_rows(), shape_.head_size}, sets_[0].result).data;
  }

  [[nodiscard]] std::vector<std::byte> result_rows(
      std::span<const std::int64_t> rows) const override {
    return rows_from_device(shape_.type, shape_.head_size, rows, sets_[0].result).data;
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& result = sets_[static_cast<std::size_t>(set)].result;
    return {result.data(), result.size()};
  }

  [[nodiscard]] LibraryInfo library() const override {
    const auto& plans = graph_.plans();
    return {"cuDNN", load_cudnn().version,
            "fused " + plans[plan_].name + " rank=" + std::to_string(plan_ + 1) + "/" +
                std::to_string(plans.size()) + " frontend=" + cudnn_frontend_version(),
            plans[plan_].workspace_bytes};
  }

 private:
  struct Set {
    DeviceBuffer queries, keys, values, result;
    [[nodiscard]] CudnnAddresses addresses(const DeviceBuffer& workspace) const {
      return {queries.data(), keys.data(), values.data(), result.data(), workspace.data()};
    }
  };

  [[nodiscard]] std::size_t most_workspace() const {
    std::int64_t bytes = 0;
    for (const auto& plan : graph_.plans()) bytes = std::max(bytes, plan.workspace_bytes);
    return static_cast<std::size_t>(bytes);
  }
  void add_set(const AttentionOperands& operands) {
    sets_.push_back({to_device(operands.queries), to_device(operands.keys),
                     to_device(operands.values), DeviceBuffer{operands.queries.size()}});
  }

  AttentionShape shape_;
  CudnnGraph& graph_;
  DeviceBuffer workspace_;
  std::vector<Set> sets_;
  std::size_t plan_ = 0;
};

}  // namespace

std::unique_ptr<CudnnPlanner> make_attention_planner(int device) {
  (void)load_cudnn();
  const auto found = find_cuda_devices();
  if (found.devices.empty()) throw Unsupported{"cuDNN needs a CUDA device: " + found.reason};
  use_cuda_device(device);
  const auto& properties = found.devices.at(static_cast<std::size_t>(device));
  return make_cudnn_planner({10 * properties.compute_major + properties.compute_minor, {}},
                            kMostCudnnPlans);
}

std::unique_ptr<Attention> make_attention_cudnn(const AttentionSetup& setup,
                                                CudnnPlanner& planner) {
  return std::make_unique<CudnnAttention>(setup, planner);
}

}  // namespace moecal::kernels
