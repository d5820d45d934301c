// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cublaslt_groups.hpp"

#include <algorithm>

namespace moecal::kernels {
namespace {

const void* after(const void* base, std::int64_t elements, Dtype dtype) {
  return static_cast<const std::byte*>(base) + elements * size_of(dtype);
}

}  // namespace

CublasLtGroups::CublasLtGroups(const GroupedGemmProblem& problem,
                               const std::vector<std::int64_t>& rows,
                               const CublasLtAddresses& bases, const CublasLtScales& scales,
                               CublasLtLanes& lanes)
    : lanes_{lanes} {
  const auto& [m, n, k] = problem.product.shape;
  std::int64_t first = 0;
  for (std::int64_t group = 0; group < problem.groups; ++group) {
    const auto count = rows[static_cast<std::size_t>(group)];
    if (count == 0) continue;
    const CublasLtAddresses addresses{
        after(bases.weights, group * n * k, problem.product.b),
        after(bases.tokens, first * k, problem.product.a),
        const_cast<void*>(after(bases.result, first * n, problem.product.c))};
    CublasLtMatmul matmul{plan_cublaslt(group_problem(problem, rows, group)), scales,
                          lanes.handle()};
    const auto candidate = matmul.candidates(addresses, CublasLtLanes::kWorkspaceBytes, 1).front();
    products_.push_back({std::move(matmul), addresses, candidate, count});
    first += count;
  }
  std::stable_sort(products_.begin(), products_.end(),
                   [](const Product& a, const Product& b) { return a.rows > b.rows; });
}

void CublasLtGroups::enqueue(Stream stream) const {
  auto& lanes = lanes_.lanes();
  const std::size_t used = std::min(lanes.size(), products_.size());
  lanes_.started().record(stream);
  for (std::size_t lane = 0; lane < used; ++lane)
    lanes_.started().make_wait(lanes[lane].stream.get());
  for (std::size_t i = 0; i < products_.size(); ++i) {
    const auto& lane = lanes[i % used];
    products_[i].matmul.launch(products_[i].addresses, products_[i].candidate,
                               {lane.workspace.data(), lane.workspace.size()}, lane.stream.get());
  }
  for (std::size_t lane = 0; lane < used; ++lane) {
    lanes[lane].done.record(lanes[lane].stream.get());
    lanes[lane].done.make_wait(stream);
  }
}

std::string CublasLtGroups::algorithm() const {
  return products_.empty() ? "none" : describe_algorithm(products_.front().candidate.algo);
}

}  // namespace moecal::kernels
