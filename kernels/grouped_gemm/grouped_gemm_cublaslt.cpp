// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <vector>

#include "kernels/expert_gemm/cublaslt_scales.hpp"
#include "kernels/grouped_gemm/cublaslt_groups.hpp"
#include "kernels/grouped_gemm/device_group_buffers.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/cuda_graph.hpp"
#include "runtime/device_fill.hpp"

namespace moecal::kernels {
namespace {

class CublasLtGraph final : public GroupedGemm {
 public:
  explicit CublasLtGraph(const GroupedGemmSetup& setup)
      : problem_{setup.problem},
        operands_{setup.operands},
        has_scales_{plan_cublaslt(mean_product(setup.problem)).has_scales},
        weight_scales_{on_device(
            arrange_weight_scales(setup.problem, setup.operands.b, setup.operands.b_scales))} {
    for (int set = 0; set < setup.sets; ++set) {
      sets_.push_back({make_device_group_buffers(problem_, setup.operands)});
      redraw(set, group_rows(problem_, set));
    }
  }

  /// Launches the products once, and their graph: no first launch, which loads a kernel or uploads
  /// the graph, falls into a batch that is held. What that leaves in the cache is not what a launch
  /// leaves: the result is written over again.
  void redraw(int set, const std::vector<std::int64_t>& rows) override {
    auto& buffers = sets_[static_cast<std::size_t>(set)];
    const CublasLtAddresses bases{buffers.weights.data(), buffers.tokens.data(),
                                  buffers.result.data()};
    buffers.rows = rows;
    buffers.graph.reset();
    if (!operands_.a_scales.empty() || buffers.token_scales.size() == 0)
      buffers.token_scales = on_device(arrange_token_scales(problem_, operands_, rows));
    const CublasLtScales scales{weight_scales_.data(), buffers.token_scales.data(), factor()};
    const auto& products = buffers.products.emplace(problem_, rows, bases, scales, lanes_);
    // Kernels are loaded at their first launch, which a capture does not allow.
    const CudaStream stream;
    products.enqueue(stream.get());
    stream.synchronize();
    buffers.graph.emplace(
        CudaGraph::capture([&](Stream capturing) { products.enqueue(capturing); }));
    buffers.graph->launch(stream.get());
    stream.synchronize();
    mark_unwritten(buffers.result.data(), buffers.result.size());
  }

  void launch(int set, Stream stream) override {
    sets_[static_cast<std::size_t>(set)].graph->launch(stream);
  }

  [[nodiscard]] HostMatrix result() const override { return result_of(problem_, sets_[0]); }

  [[nodiscard]] HostMatrix result_rows(std::span<const std::int64_t> rows) const override {
    return result_rows_of(problem_, sets_[0], rows);
  }

  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& result = sets_[static_cast<std::size_t>(set)].result;
    return {result.data(), result.size()};
  }

  [[nodiscard]] LibraryInfo library() const override {
    return {
        "cuBLASLt", cublaslt_version(),
        "graph streams=" + std::to_string(CublasLtLanes::kLanes) + " first draw: " +
            describe_rows(group_rows(problem_, 0), token_multiple(problem_.product.scale_mode)) +
            " largest: " + sets_[0].products->algorithm(),
        static_cast<std::int64_t>(CublasLtLanes::kWorkspaceBytes)};
  }

 private:
  struct Set : DeviceGroupBuffers {
    DeviceBuffer token_scales{};  // of the draw, or one for all
    std::optional<CublasLtGroups> products{};
    std::optional<CudaGraph> graph{};
  };

  /// What no scale in device memory does.
  [[nodiscard]] float factor() const {
    return has_scales_ ? 1.0F : operands_.a.scale * operands_.b.scale;
  }

  GroupedGemmProblem problem_;
  ExpertGemmOperands operands_;
  bool has_scales_;
  DeviceBuffer weight_scales_;
  CublasLtLanes lanes_;
  std::vector<Set> sets_;
};

}  // namespace

void check_grouped_gemm_cublaslt(const GroupedGemmProblem& problem, int device) {
  check_expert_gemm_cublaslt(mean_product(problem), device);
}

std::unique_ptr<GroupedGemm> make_grouped_gemm_cublaslt(const GroupedGemmSetup& setup) {
  return std::make_unique<CublasLtGraph>(setup);
}

}  // namespace moecal::kernels
