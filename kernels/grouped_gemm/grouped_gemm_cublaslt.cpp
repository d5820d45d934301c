// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "kernels/expert_gemm/cublaslt_scales.hpp"
#include "kernels/expert_gemm/device_matrix.hpp"
#include "kernels/grouped_gemm/cublaslt_groups.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"
#include "runtime/cuda_graph.hpp"

namespace moecal::kernels {
namespace {

class CublasLtGraph final : public GroupedGemm {
 public:
  explicit CublasLtGraph(const GroupedGemmSetup& setup)
      : problem_{setup.problem}, scales_{plan_cublaslt(setup.problem.product), setup.operands} {
    for (int set = 0; set < setup.sets; ++set) add_set(setup.operands, group_rows(problem_, set));
  }

  void launch(int set, Stream stream) override {
    sets_[static_cast<std::size_t>(set)].graph.launch(stream);
  }

  [[nodiscard]] HostMatrix result() const override {
    return from_device(problem_.product.c, result_shape(problem_), sets_[0].result);
  }

  [[nodiscard]] LibraryInfo library() const override {
    return {"cuBLASLt", cublaslt_version(),
            "graph streams=" + std::to_string(CublasLtLanes::kLanes) + " " +
                describe_rows(group_rows(problem_, 0)) +
                " largest: " + sets_[0].products.algorithm(),
            static_cast<std::int64_t>(CublasLtLanes::kLanes * CublasLtLanes::kWorkspaceBytes)};
  }

 private:
  struct Set {
    DeviceBuffer weights;
    DeviceBuffer tokens;
    DeviceBuffer result;
    CublasLtGroups products;
    CudaGraph graph;
  };

  void add_set(const ExpertGemmOperands& operands, const std::vector<std::int64_t>& rows) {
    auto weights = on_device(operands.b);
    auto tokens = on_device(operands.a);
    DeviceBuffer result{static_cast<std::size_t>(operands.a.rows * problem_.product.shape.n *
                                                 size_of(problem_.product.c))};
    CublasLtGroups products{
        problem_, rows, {weights.data(), tokens.data(), result.data()}, scales_.get(), lanes_};
    // Kernels are loaded at their first launch, which a capture does not allow.
    const CudaStream stream;
    products.enqueue(stream.get());
    stream.synchronize();
    auto graph = CudaGraph::capture([&](Stream capturing) { products.enqueue(capturing); });
    sets_.push_back({std::move(weights), std::move(tokens), std::move(result), std::move(products),
                     std::move(graph)});
  }

  GroupedGemmProblem problem_;
  CublasLtOperandScales scales_;
  CublasLtLanes lanes_;
  std::vector<Set> sets_;
};

}  // namespace

void check_grouped_gemm_cublaslt(const GroupedGemmProblem& problem, int device) {
  const auto& mode = problem.product.scale_mode;
  if (mode != "none" && mode != "tensor")
    throw Unsupported{
        "the groups' products are measured without scales or with one per operand, "
        "not with scale mode " +
        mode};
  check_expert_gemm_cublaslt(problem.product, device);
}

std::unique_ptr<GroupedGemm> make_grouped_gemm_cublaslt(const GroupedGemmSetup& setup) {
  return std::make_unique<CublasLtGraph>(setup);
}

}  // namespace moecal::kernels
