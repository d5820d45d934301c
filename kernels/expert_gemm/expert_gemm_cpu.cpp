// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "kernels/expert_gemm/expert_gemm.hpp"

namespace moecal::kernels {
namespace {

std::int64_t size_field(const Point& point, const std::string& name) {
  const auto found = point.find(name);
  if (found == point.end()) throw InvalidInput{"expert_gemm: the point has no '" + name + "'"};
  if (found->second < 1)
    throw InvalidInput{"expert_gemm: " + name + " is " + std::to_string(found->second) +
                       "; it must be at least 1"};
  return found->second;
}

std::string layout_of(const Dtypes& dtypes) {
  constexpr std::array<const char*, 4> kKnown{"TN", "NN", "NT", "TT"};
  if (dtypes.layout.empty()) return kKnown.front();
  for (const auto* known : kKnown)
    if (dtypes.layout == known) return known;
  throw InvalidInput{"expert_gemm has no layout '" + dtypes.layout + "'; known: TN NN NT TT"};
}

ScaleGrid scale(PeriodicMatrix& matrix, const ExpertGemmProblem& problem, Operand operand,
                std::uint64_t seed) {
  const auto block = scale_block(problem.scale_mode, operand, problem.shape.k);
  const auto rows = operand == Operand::tokens ? problem.shape.m : problem.shape.n;
  return take_scale(matrix,
                    {.block = block,
                     .rows = rows,
                     .k = problem.shape.k,
                     .powers_of_two = problem.scale_mode == "mx"},
                    seed);
}

// Such that the result's deviation is kInt8ResultDeviation.
float int8_scale(std::int64_t k) {
  const double deviation = std::sqrt(static_cast<double>(k)) * 63 * 63 / 3;
  return static_cast<float>(std::sqrt(kInt8ResultDeviation / deviation));
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t l = 0; l < a.size(); ++l) sum += a[l] * b[l];
  return sum;
}

Bytes bytes_of(Dtype dtype, std::int64_t rows, std::int64_t columns) {
  return Bytes{static_cast<double>(rows) * static_cast<double>(columns * size_of(dtype))};
}

}  // namespace

ExpertGemmProblem expert_gemm_problem(const Point& point, const Dtypes& dtypes) {
  return {{size_field(point, "m"), size_field(point, "n"), size_field(point, "k")},
          parse_dtype(dtypes.a),
          parse_dtype(dtypes.b),
          parse_dtype(dtypes.c),
          dtypes.scale_mode,
          layout_of(dtypes)};
}

std::string type_names(const ExpertGemmProblem& problem) {
  return std::string{to_string(problem.a)} + " x " + std::string{to_string(problem.b)} + " -> " +
         std::string{to_string(problem.c)} +
         (problem.layout == "TN" ? "" : " in layout " + problem.layout);
}

Work expert_gemm_work(const ExpertGemmProblem& problem) {
  const auto& [m, n, k] = problem.shape;
  Work work;
  work.flops =
      Flops{2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k)};
  work.read = bytes_of(problem.a, m, k) + bytes_of(problem.b, n, k);
  work.written = bytes_of(problem.c, m, n);
  return work;
}

ExpertGemmOperands make_expert_gemm_operands(const ExpertGemmProblem& problem, std::uint64_t seed) {
  const auto& [m, n, k] = problem.shape;
  const auto stored = [](bool k_first, const MatrixShape& shape) {
    return k_first ? MatrixShape{shape.columns, shape.rows} : shape;
  };
  const bool a_is_k_by_m = problem.a_is_k_by_m(), b_is_k_by_n = problem.b_is_k_by_n();
  ExpertGemmOperands operands{uniform_matrix(problem.a, stored(a_is_k_by_m, {m, k}), seed),
                              uniform_matrix(problem.b, stored(b_is_k_by_n, {n, k}), seed + 1),
                              a_is_k_by_m, b_is_k_by_n};
  operands.a_scales = scale(operands.a, problem, Operand::tokens, seed + 2);
  operands.b_scales = scale(operands.b, problem, Operand::weights, seed + 3);
  if (problem.c == Dtype::int8) operands.a.scale = operands.b.scale = int8_scale(k);
  return operands;
}

void decode_tokens(const ExpertGemmOperands& operands, std::int64_t i, std::span<double> values) {
  operands.a_is_k_by_m ? decode_column(operands.a, i, values) : decode_row(operands.a, i, values);
  apply_scales(operands.a_scales, i, values);
}

void decode_weights(const ExpertGemmOperands& operands, std::int64_t j, std::span<double> values) {
  operands.b_is_k_by_n ? decode_column(operands.b, j, values) : decode_row(operands.b, j, values);
  apply_scales(operands.b_scales, j, values);
}

HostMatrix ExpertGemm::result_rows(std::span<const std::int64_t> rows) const {
  return chosen_rows(result(), rows);
}

void expert_gemm_cpu(const ExpertGemmOperands& operands, std::span<double> c) {
  const auto m = static_cast<std::size_t>(operands.m());
  const auto n = static_cast<std::size_t>(operands.n());
  const auto k = static_cast<std::size_t>(operands.k());
  std::vector<double> a(m * k);
  for (std::size_t i = 0; i < m; ++i)
    decode_tokens(operands, static_cast<std::int64_t>(i), std::span{a}.subspan(i * k, k));
  for_each_index(n, 0, [&](std::size_t j) {
    std::vector<double> b(k);
    decode_weights(operands, static_cast<std::int64_t>(j), b);
    for (std::size_t i = 0; i < m; ++i) c[i * n + j] = dot(std::span{a}.subspan(i * k, k), b);
  });
}

}  // namespace moecal::kernels
