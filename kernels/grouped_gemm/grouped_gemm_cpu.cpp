// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <string>

#include "core/error.hpp"
#include "kernels/expert_gemm/product_check.hpp"
#include "kernels/grouped_gemm/grouped_gemm.hpp"

namespace moecal::kernels {
namespace {

/// Where a group begins in A and C.
std::int64_t first_row(const GroupedGemmProblem& problem, const std::vector<std::int64_t>& rows,
                       std::int64_t group) {
  const auto multiplied = multiplied_rows(problem, rows);
  return std::accumulate(multiplied.begin(), multiplied.begin() + group, std::int64_t{0});
}

std::int64_t all_rows(const GroupedGemmProblem& problem) {
  return problem.groups * problem.product.shape.m;
}

std::int64_t multiple_of(const GroupedGemmProblem& problem) {
  return token_multiple(problem.product.scale_mode);
}

/// Of draws that leave as much padding as there can be.
std::int64_t most_rows(const GroupedGemmProblem& problem) {
  return all_rows(problem) + problem.groups * (multiple_of(problem) - 1);
}

std::string text(const std::string& name, std::int64_t value) {
  return name + "=" + std::to_string(value);
}

}  // namespace

GroupedGemmProblem grouped_gemm_problem(const Point& point, const Dtypes& dtypes,
                                        const RoutingSpec& routing) {
  const auto found = point.find("groups");
  if (found == point.end() || found->second < 1)
    throw InvalidInput{"grouped_gemm needs the number 'groups', at least 1"};
  auto product = expert_gemm_problem(point, dtypes);
  if (product.layout != "TN")
    throw InvalidInput{"grouped_gemm has the layout TN only, not '" + product.layout + "'"};
  return {std::move(product), found->second, routing};
}

std::vector<std::int64_t> group_rows(const GroupedGemmProblem& problem, std::int64_t draw) {
  const RoutingShape shape{all_rows(problem), problem.groups, 1};
  RoutingSpec spec = problem.routing;
  spec.seed += static_cast<std::uint64_t>(draw);
  auto rows = draw_routing(shape, spec).counts;
  const std::int64_t capacity = expert_capacity(shape, spec.capacity_factor);
  if (capacity > 0)
    for (auto& count : rows) count = std::min(count, capacity);
  return rows;
}

std::vector<std::int64_t> multiplied_rows(const GroupedGemmProblem& problem,
                                          const std::vector<std::int64_t>& rows) {
  auto multiplied = rows;
  for (auto& count : multiplied) count = padded_rows({count}, multiple_of(problem));
  return multiplied;
}

std::int64_t padded_rows(const std::vector<std::int64_t>& rows, std::int64_t multiple) {
  std::int64_t padded = 0;
  for (const auto count : rows) padded += (count + multiple - 1) / multiple * multiple;
  return padded;
}

std::string describe_rows(const std::vector<std::int64_t>& rows, std::int64_t multiple) {
  return text("rows", padded_rows(rows, 1)) +
         (multiple == 1 ? "" : text(" multiplied", padded_rows(rows, multiple))) +
         text(" padded_128", padded_rows(rows, 128)) +
         text(" empty_groups", std::count(rows.begin(), rows.end(), 0));
}

void PaddingRange::Range::add(std::int64_t value) {
  least = std::min(least, value);
  most = std::max(most, value);
}

std::string PaddingRange::Range::str() const {
  return std::to_string(least) + ".." + std::to_string(most);
}

void PaddingRange::add(const std::vector<std::int64_t>& rows) {
  multiplied_.add(padded_rows(rows, multiple_));
  padded_.add(padded_rows(rows, 128));
  empty_.add(std::count(rows.begin(), rows.end(), 0));
  ++draws_;
}

std::string PaddingRange::describe() const {
  return std::to_string(draws_) +
         " draws: " + (multiple_ == 1 ? "" : "multiplied=" + multiplied_.str() + " ") +
         "padded_128=" + padded_.str() + " empty_groups=" + empty_.str();
}

MatrixShape result_shape(const GroupedGemmProblem& problem, const std::vector<std::int64_t>& rows) {
  return {padded_rows(rows, multiple_of(problem)), problem.product.shape.n};
}

Work grouped_gemm_work(const GroupedGemmProblem& problem) {
  return grouped_gemm_work(problem, group_rows(problem, 0));
}

Work grouped_gemm_work(const GroupedGemmProblem& problem, const std::vector<std::int64_t>& counts) {
  const auto& [m, n, k] = problem.product.shape;
  const auto rows = static_cast<double>(padded_rows(counts, 1));
  const auto active = static_cast<double>(
      std::count_if(counts.begin(), counts.end(), [](auto count) { return count > 0; }));
  const auto outputs = static_cast<double>(n), inputs = static_cast<double>(k);
  const auto size = [](Dtype dtype) { return static_cast<double>(size_of(dtype)); };
  return {.flops = Flops{2 * rows * outputs * inputs},
          .read = Bytes{rows * inputs * size(problem.product.a) +
                        active * outputs * inputs * size(problem.product.b)},
          .written = Bytes{rows * outputs * size(problem.product.c)}};
}

// Products of up to three kernels, and what joins eight streams.
int enqueued_by_cublaslt(std::int64_t groups) { return static_cast<int>(3 * groups) + 25; }

ScaleGridSpec group_scales(const GroupedGemmProblem& problem, Operand operand) {
  const auto& [m, n, k] = problem.product.shape;
  const auto block = scale_block(problem.product.scale_mode, operand, k);
  const auto rows = operand == Operand::tokens || block.rows == 0
                        ? most_rows(problem)
                        : problem.groups * padded_rows({n}, block.rows);
  return {
      .block = block, .rows = rows, .k = k, .powers_of_two = problem.product.scale_mode == "mx"};
}

ExpertGemmOperands make_grouped_gemm_operands(const GroupedGemmProblem& problem,
                                              std::uint64_t seed) {
  const auto& [m, n, k] = problem.product.shape;
  ExpertGemmOperands operands{uniform_matrix(problem.product.a, {most_rows(problem), k}, seed),
                              uniform_matrix(problem.product.b, {problem.groups * n, k}, seed + 1)};
  operands.a_scales = take_scale(operands.a, group_scales(problem, Operand::tokens), seed + 2);
  operands.b_scales = take_scale(operands.b, group_scales(problem, Operand::weights), seed + 3);
  return operands;
}

ExpertGemmOperands group_operands(const GroupedGemmProblem& problem,
                                  const ExpertGemmOperands& operands,
                                  const std::vector<std::int64_t>& rows, std::int64_t group) {
  const std::int64_t n = problem.product.shape.n;
  const std::int64_t first = first_row(problem, rows, group);
  const std::int64_t count = rows[static_cast<std::size_t>(group)];
  const std::int64_t blocks = operands.b_scales.rows / problem.groups;
  return {.a = rows_of_matrix(operands.a, first, count),
          .b = rows_of_matrix(operands.b, group * n, n),
          .a_scales = rows_of_grid(operands.a_scales, first, count),
          .b_scales = rows_of_grid(operands.b_scales, group * blocks, blocks)};
}

ExpertGemmProblem group_problem(const GroupedGemmProblem& problem,
                                const std::vector<std::int64_t>& rows, std::int64_t group) {
  ExpertGemmProblem product = problem.product;
  product.shape.m = rows.at(static_cast<std::size_t>(group));
  if (product.shape.m < 1)
    throw InvalidInput{"group " + std::to_string(group) + " has no rows: it is no product"};
  return product;
}

void grouped_gemm_cpu(const GroupedGemmProblem& problem, const ExpertGemmOperands& operands,
                      const std::vector<std::int64_t>& rows, std::span<double> c) {
  const auto n = static_cast<std::size_t>(problem.product.shape.n);
  for (std::int64_t group = 0; group < problem.groups; ++group) {
    const auto first = static_cast<std::size_t>(first_row(problem, rows, group));
    const auto count = static_cast<std::size_t>(rows[static_cast<std::size_t>(group)]);
    expert_gemm_cpu(group_operands(problem, operands, rows, group),
                    c.subspan(first * n, count * n));
  }
}

HostMatrix GroupedGemm::result_rows(std::span<const std::int64_t> rows) const {
  return chosen_rows(result(), rows);
}

std::vector<std::int64_t> grouped_rows_to_check(const GroupedGemmProblem& problem,
                                                const std::vector<std::int64_t>& rows) {
  std::vector<std::int64_t> chosen;
  for (std::int64_t group = 0; group < problem.groups; ++group) {
    if (rows[static_cast<std::size_t>(group)] == 0) continue;
    const auto first = first_row(problem, rows, group);
    for (const auto row : rows_to_check(group_problem(problem, rows, group), problem.groups))
      chosen.push_back(first + row);
  }
  return chosen;
}

VerificationResult check_grouped_product_rows(const GroupedGemmProblem& problem,
                                              const ExpertGemmOperands& operands,
                                              const std::vector<std::int64_t>& rows,
                                              const HostMatrix& c) {
  VerificationResult worst{0, product_tolerance(problem.product), "full"};
  std::int64_t done = 0;  // rows of c
  for (std::int64_t group = 0; group < problem.groups; ++group) {
    if (rows[static_cast<std::size_t>(group)] == 0) continue;
    const auto product = group_problem(problem, rows, group);
    const auto count = static_cast<std::int64_t>(rows_to_check(product, problem.groups).size());
    const auto checked = check_product_rows(product, group_operands(problem, operands, rows, group),
                                            rows_of_matrix(c, done, count), problem.groups);
    done += count;
    worst.max_rel_error = std::max(worst.max_rel_error, checked.max_rel_error);
    if (checked.method != "full") worst.method = "sampled+freivalds";
  }
  if (const auto all = padded_rows(rows, 1); done < all)
    worst.method += " of " + std::to_string(done) + " of " + std::to_string(all) + " rows";
  return worst;
}

VerificationResult check_grouped_product(const GroupedGemmProblem& problem,
                                         const ExpertGemmOperands& operands,
                                         const std::vector<std::int64_t>& rows,
                                         const HostMatrix& c) {
  return check_grouped_product_rows(problem, operands, rows,
                                    chosen_rows(c, grouped_rows_to_check(problem, rows)));
}

}  // namespace moecal::kernels
