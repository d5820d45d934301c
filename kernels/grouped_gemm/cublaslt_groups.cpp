// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/grouped_gemm/cublaslt_groups.hpp"

#include <algorithm>
#include <bit>

#include "kernels/expert_gemm/cublaslt_scales.hpp"

namespace moecal::kernels {
namespace {

const void* after(const void* base, std::int64_t bytes) {
  return base == nullptr ? nullptr : static_cast<const std::byte*>(base) + bytes;
}
const void* after(const void* base, std::int64_t elements, Dtype dtype) {
  return after(base, elements * size_of(dtype));
}

}  // namespace

ExpertGemmProblem mean_product(const GroupedGemmProblem& problem) {
  auto product = problem.product;
  product.shape.m = multiplied_rows(problem, {product.shape.m}).front();
  return product;
}

std::vector<std::byte> arrange_weight_scales(const GroupedGemmProblem& problem,
                                             const PeriodicMatrix& weights,
                                             const ScaleGrid& scales) {
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(problem.groups),
                                       scales.rows / problem.groups);
  const auto mode = plan_cublaslt(mean_product(problem)).scale_modes.weights;
  return arrange_group_scales(mode, weights, scales, rows);
}

std::vector<std::byte> arrange_token_scales(const GroupedGemmProblem& problem,
                                            const ExpertGemmOperands& operands,
                                            const std::vector<std::int64_t>& rows) {
  const auto mode = plan_cublaslt(mean_product(problem)).scale_modes.tokens;
  return arrange_group_scales(mode, operands.a, operands.a_scales, multiplied_rows(problem, rows));
}

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
                plan.scale_modes.weights,
                plan.scale_modes.tokens,
                alignment};
  const auto found = chosen_.find(key);
  if (found != chosen_.end() && matmul.takes(found->second.candidate, workspace.bytes))
    return found->second;
  // On one buffer set, unlike a single product's candidates: sets are drawn, and planned, one by
  // one. So they are ranked with what the caches keep of this group's operands.
  return chosen_[key] = choose_algorithm(matmul, {&addresses, 1}, workspace, kTimingOfSeveral);
}

CublasLtGroups::CublasLtGroups(const GroupedGemmProblem& problem,
                               const std::vector<std::int64_t>& rows,
                               const CublasLtAddresses& bases, const CublasLtScales& scales,
                               CublasLtLanes& lanes)
    : lanes_{lanes} {
  const auto& [m, n, k] = problem.product.shape;
  const auto multiplied = multiplied_rows(problem, rows);
  std::int64_t first = 0, token_scales = 0;
  for (std::int64_t group = 0; group < problem.groups; ++group) {
    const auto count = multiplied[static_cast<std::size_t>(group)];
    if (count == 0) continue;
    const CublasLtAddresses addresses{
        after(bases.weights, group * n * k, problem.product.b),
        after(bases.tokens, first * k, problem.product.a),
        const_cast<void*>(after(bases.result, first * n, problem.product.c))};
    const auto plan = plan_cublaslt(group_problem(problem, multiplied, group));
    const auto weight_scales = group * scale_stride(plan.scale_modes.weights, n, k);
    CublasLtMatmul matmul{
        plan,
        {after(scales.weights, weight_scales), after(scales.tokens, token_scales), scales.factor},
        lanes.handle()};
    products_.push_back({std::move(matmul), plan, addresses, {}, count});
    first += count;
    token_scales += scale_stride(plan.scale_modes.tokens, count, k);
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
