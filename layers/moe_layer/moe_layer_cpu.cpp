// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/element.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "kernels/quantize/quantize.hpp"
#include "layers/moe_layer/moe_layer.hpp"

namespace moecal::layers {
namespace {

// Checking a token takes a few nanoseconds per multiplication.
constexpr double kCheckedMultiplications = 0x1p29;
constexpr std::int64_t kFewestTokens = 2;
// Of one thread: many times what it takes to start one.
constexpr std::int64_t kMultiplicationsAtOnce = std::int64_t{1} << 20;

std::int64_t number(const Point& point, const std::string& name) {
  const auto found = point.find(name);
  if (found == point.end()) throw InvalidInput{"moe_layer needs the number '" + name + "'"};
  if (found->second < 1)
    throw InvalidInput{"moe_layer: " + name + " is " + std::to_string(found->second) +
                       "; it must be at least 1"};
  return found->second;
}

struct ExpertOf {
  std::int64_t number = 0;
  std::int64_t of = 1;  // experts
};

double silu(double x) { return x / (1 + std::exp(-x)); }

/// Of one expert: matrix [rows, columns].
struct Weights {
  PeriodicMatrix matrix;
  kernels::ScaleGrid scales;
};
Weights weights_of(const PeriodicMatrix& all, const kernels::ScaleGrid& scales,
                   const ExpertOf& expert) {
  const auto rows = all.rows / expert.of, blocks = scales.rows / expert.of;
  return {rows_of_matrix(all, expert.number * rows, rows),
          kernels::rows_of_grid(scales, expert.number * blocks, blocks)};
}

/// weights times x.
std::vector<double> multiply(const Weights& weights, const std::vector<double>& x) {
  const std::int64_t count = weights.matrix.rows;
  std::vector<double> result(static_cast<std::size_t>(count));
  const std::int64_t at_once =
      std::max<std::int64_t>(1, kMultiplicationsAtOnce / weights.matrix.columns);
  for_each_index(static_cast<std::size_t>((count + at_once - 1) / at_once), 0,
                 [&](std::size_t part) {
                   std::vector<double> row(x.size());
                   const std::int64_t begin = static_cast<std::int64_t>(part) * at_once;
                   for (std::int64_t i = begin; i < std::min(begin + at_once, count); ++i) {
                     decode_row(weights.matrix, i, row);
                     apply_scales(weights.scales, i, row);
                     result[static_cast<std::size_t>(i)] =
                         std::inner_product(row.begin(), row.end(), x.begin(), 0.0);
                   }
                 });
  return result;
}

bool has_blocks(const MoeLayerProblem& problem) { return problem.scale_mode == "block_128x128"; }

/// As a step writes it, where that decides what is quantized.
void round_values(const MoeLayerProblem& problem, std::vector<double>& values) {
  if (!has_blocks(problem)) return;
  std::array<std::byte, sizeof(float)> bits{};
  for (auto& value : values) {
    encode_element(problem.values, value, bits.data());
    value = decode_element(problem.values, bits.data());
  }
}

/// What a product is given for these values of a row.
std::vector<double> operand(const MoeLayerProblem& problem, std::vector<double> row) {
  if (!has_blocks(problem)) return row;
  const kernels::QuantizeShape shape{1, static_cast<std::int64_t>(row.size()), Dtype::f32,
                                     problem.operands, kernels::ScaleGroups::block_1x128};
  const std::vector<float> values(row.begin(), row.end());
  std::vector<std::byte> quantized(row.size());
  std::vector<float> scales(static_cast<std::size_t>(scale_count(shape)));
  quantize_cpu(shape, {values.data(), quantized.data(), scales.data()});
  for (std::size_t i = 0; i < row.size(); ++i)
    row[i] = decode_element(problem.operands, &quantized[i]) *
             static_cast<double>(scales[i / kernels::kScaleBlock]);
  return row;
}

std::vector<double> expert_output(const MoeLayerProblem& problem, const MoeLayerData& data,
                                  std::int64_t expert, const std::vector<double>& x) {
  const ExpertOf which{expert, problem.experts};
  auto inner = multiply(weights_of(data.gate_up, data.gate_up_scales, which), operand(problem, x));
  round_values(problem, inner);
  const auto inter = static_cast<std::size_t>(problem.inter);
  for (std::size_t i = 0; i < inter; ++i) inner[i] = silu(inner[i]) * inner[inter + i];
  inner.resize(inter);
  round_values(problem, inner);
  return multiply(weights_of(data.down, data.down_scales, which), operand(problem, inner));
}

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

double error_of(const HostMatrix& output, std::int64_t token, const std::vector<double>& truth) {
  std::vector<double> difference(truth.size());
  decode_row(output, token, difference);
  for (std::size_t i = 0; i < truth.size(); ++i) difference[i] -= truth[i];
  const double error = norm(difference), size = norm(truth);
  if (std::isnan(error)) return std::numeric_limits<double>::infinity();
  return error == 0 ? 0 : error / size;
}

kernels::GroupedGemmProblem product(const MoeLayerProblem& problem, std::int64_t n,
                                    std::int64_t k) {
  const std::int64_t mean =
      std::max<std::int64_t>(1, problem.tokens * problem.top_k / problem.experts);
  return {{{mean, n, k}, problem.operands, problem.operands, problem.values, problem.scale_mode},
          problem.experts,
          problem.routing};
}

}  // namespace

MoeLayerProblem moe_layer_problem(const Point& point, const Dtypes& dtypes,
                                  const RoutingSpec& routing) {
  for (const auto* name : {"tensor_parallel", "expert_parallel"})
    if (number(point, name) != 1)
      throw Unsupported{std::string{"moe_layer measures one device: "} + name + " has to be 1"};
  MoeLayerProblem problem{number(point, "tokens"), number(point, "hidden"),
                          number(point, "inter"),  number(point, "experts"),
                          number(point, "top_k"),  parse_dtype(dtypes.a),
                          parse_dtype(dtypes.c),   routing};
  const auto& mode = dtypes.scale_mode;
  const bool scaled = mode == "tensor" || mode == "block_128x128";
  const bool fp8 = problem.operands == Dtype::fp8_e4m3 && scaled;
  const bool known = problem.values == Dtype::f32 || problem.values == Dtype::bf16;
  if (dtypes.b != dtypes.a || !known || (problem.quantizes() && !fp8))
    throw Unsupported{
        "moe_layer has f32, bf16, and fp8_e4m3 with scale mode tensor or block_128x128 between "
        "bf16 values, not " +
        dtypes.a + " x " + dtypes.b + " -> " + dtypes.c +
        (mode == "none" ? "" : " with scale mode " + mode)};
  if (problem.quantizes()) problem.scale_mode = mode;
  if (problem.top_k > problem.experts)
    throw InvalidInput{"moe_layer: top_k is more than the experts"};
  return problem;
}

std::vector<std::int64_t> MoeLayerRouting::expert_rows() const {
  auto rows = draw.counts;
  if (capacity > 0)
    for (auto& count : rows) count = std::min(count, capacity);
  return rows;
}

MoeLayerData make_moe_layer_data(const MoeLayerProblem& problem, std::uint64_t seed) {
  const auto& p = problem;
  MoeLayerData data{uniform_matrix(p.values, {p.tokens, p.hidden}, seed),
                    uniform_matrix(p.operands, {p.experts * 2 * p.inter, p.hidden}, seed + 1),
                    uniform_matrix(p.operands, {p.experts * p.hidden, p.inter}, seed + 2)};
  const auto weights = kernels::Operand::weights;
  data.gate_up_scales = take_scale(data.gate_up, group_scales(first_product(p), weights), seed + 3);
  data.down_scales = take_scale(data.down, group_scales(second_product(p), weights), seed + 4);
  return data;
}

kernels::GroupedGemmProblem first_product(const MoeLayerProblem& problem) {
  return product(problem, 2 * problem.inter, problem.hidden);
}

kernels::GroupedGemmProblem second_product(const MoeLayerProblem& problem) {
  return product(problem, problem.hidden, problem.inter);
}

Work moe_layer_work(const MoeLayerProblem& problem, const MoeLayerRouting& routing) {
  const auto counts = routing.expert_rows();
  const auto rows = static_cast<double>(kernels::padded_rows(counts, 1));
  const auto active = static_cast<double>(
      std::count_if(counts.begin(), counts.end(), [](auto count) { return count > 0; }));
  const double weights = 3 * static_cast<double>(problem.hidden * problem.inter);
  const double row = static_cast<double>(problem.tokens * problem.hidden * size_of(problem.values));
  return {.flops = Flops{2 * rows * weights},
          .read = Bytes{active * weights * static_cast<double>(size_of(problem.operands)) + row},
          .written = Bytes{row}};
}

std::vector<double> moe_layer_cpu(const MoeLayerProblem& problem, const MoeLayerData& data,
                                  const MoeLayerRouting& routing, std::int64_t token) {
  const auto places = place_rows(routing.draw, routing.capacity);
  std::vector<double> x(static_cast<std::size_t>(problem.hidden)), sum(x.size());
  decode_row(data.tokens, token, x);
  for (std::int64_t i = token * problem.top_k; i < (token + 1) * problem.top_k; ++i) {
    const auto choice = static_cast<std::size_t>(i);
    if (places[choice] < 0) continue;
    const auto output = expert_output(problem, data, routing.draw.expert_of[choice], x);
    for (std::size_t j = 0; j < sum.size(); ++j)
      sum[j] += static_cast<double>(routing.draw.weight_of[choice]) * output[j];
  }
  return sum;
}

// Norms: independent errors of elements average out of none of them, but do not add up either. The
// logits carry the routing weights in the type of `values`. bf16 rounds by 2^-9 of a logit, and
// logits reach about 16; FP8 rounds each operand by up to 2^-4, 2^-5.3 in the mean square, once
// per product. Scales per block, and what is rounded before them, are the definition's too: that
// leaves what the order of additions decides.
double moe_layer_tolerance(const MoeLayerProblem& problem) {
  if (problem.scale_mode == "tensor") return 0x1p-3;
  return problem.values == Dtype::f32 ? 0x1p-14 : 0x1p-4;
}

VerificationResult check_moe_layer(const MoeLayerProblem& problem, const MoeLayerData& data,
                                   const MoeLayerRouting& routing, const HostMatrix& output) {
  const double per_token = 3.0 * static_cast<double>(problem.top_k) *
                           static_cast<double>(problem.hidden * problem.inter);
  const auto affordable = static_cast<std::int64_t>(kCheckedMultiplications / per_token);
  const std::int64_t checked = std::min(problem.tokens, std::max(kFewestTokens, affordable));
  VerificationResult result{0, moe_layer_tolerance(problem),
                            checked == problem.tokens ? "full" : "sampled"};
  const auto errors = parallel_map(static_cast<std::size_t>(checked), [&](std::size_t i) {
    const std::int64_t token =
        checked == 1 ? 0 : static_cast<std::int64_t>(i) * (problem.tokens - 1) / (checked - 1);
    return error_of(output, token, moe_layer_cpu(problem, data, routing, token));
  });
  result.max_rel_error = *std::max_element(errors.begin(), errors.end());
  return result;
}

}  // namespace moecal::layers
