// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cublaslt_groups.hpp"

#include <algorithm>
#include <bit>

namespace moecal::kernels {
namespace {

const void* after(const void* base, std::int64_t elements, Dtype dtype) {
  return static_cast<const std::byte*>(base) + elements * size_of(dtype);
}

// A layer has many groups: a choice is worth a few milliseconds, not the tens of one product's own.
constexpr CandidateTiming kTiming{8, Seconds{2e-4}, 2};

}  // namespace

CublasLtChoice CublasLtChoices::of(const CublasLtPlan& plan, const CublasLtMatmul& matmul,
                                   const CublasLtAddresses& addresses,
                                   const CublasLtWorkspace& workspace) {
  const auto alignment = std::min({alignment_of(addresses.weights), alignment_of(addresses.tokens),
                                   alignment_of(addresses.result)});
  const Key key{std::bit_ceil(plan.tokens.columns),
                plan.weights.columns,
                plan.weights.rows,
                plan.weights.type,
                plan.tokens.type,
                plan.result.type,
                alignment};
  const auto found = chosen_.find(key);
  if (found != chosen_.end() && matmul.takes(found->second.candidate, workspace.bytes))
    return found->second;
  // On one buffer set, unlike a single product's candidates: sets are drawn, and planned, one by
  // one. So they are ranked with what the caches keep of this group's operands.
  return chosen_[key] = choose_algorithm(matmul, {&addresses, 1}, workspace, kTiming);
}

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
    const auto plan = plan_cublaslt(group_problem(problem, rows, group));
    CublasLtMatmul matmul{plan, scales, lanes.handle()};
    products_.push_back({std::move(matmul), plan, addresses, {}, count});
    first += count;
  }
  std::stable_sort(products_.begin(), products_.end(),
                   [](const Product& a, const Product& b) { return a.rows > b.rows; });
  // Of those that share a choice the largest is asked first.
  const auto& workspace = lanes.lanes().front().workspace;
  for (auto& product : products_)
    product.choice = lanes.choices().of(product.plan, product.matmul, product.addresses,
                                        {workspace.data(), workspace.size()});
}

void CublasLtGroups::enqueue(Stream stream) const {
  auto& lanes = lanes_.lanes();
  const std::size_t used = std::min(lanes.size(), products_.size());
  lanes_.started().record(stream);
  for (std::size_t lane = 0; lane < used; ++lane)
    lanes_.started().make_wait(lanes[lane].stream.get());
  for (std::size_t i = 0; i < products_.size(); ++i) {
    const auto& lane = lanes[i % used];
    products_[i].matmul.launch(products_[i].addresses, products_[i].choice.candidate,
                               {lane.workspace.data(), lane.workspace.size()}, lane.stream.get());
  }
  for (std::size_t lane = 0; lane < used; ++lane) {
    lanes[lane].done.record(lanes[lane].stream.get());
    lanes[lane].done.make_wait(stream);
  }
}

std::string CublasLtGroups::algorithm() const {
  return products_.empty() ? "none" : describe(products_.front().choice);
}

}  // namespace moecal::kernels
