// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/topk_gate/topk_gate.hpp"

namespace moecal::kernels {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kSmallestNormal = std::numeric_limits<float>::min();

float score(float logit) { return std::isnan(logit) ? -kLargest : std::max(logit, -kLargest); }
/// Not yet scaled. Infinity counts as the largest float, so that no difference is NaN.
float weight_of(GateScores kind, float score, float highest) {
  score = std::min(score, kLargest);
  return kind == GateScores::softmax ? std::exp(score - std::min(highest, kLargest))
                                     : 1 / (1 + std::exp(-score));
}

/// The experts with the highest scores, and their weights, for one token.
void choose_experts(GateScores kind, std::span<const float> scores, std::span<std::int32_t> chosen,
                    std::span<float> weights) {
  std::vector<std::int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto score_of = [&](std::int32_t expert) {
    return scores[static_cast<std::size_t>(expert)];
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(chosen.size()),
                    order.end(), [&](std::int32_t a, std::int32_t b) {
                      return score_of(a) > score_of(b) || (score_of(a) == score_of(b) && a < b);
                    });
  // The sum over all experts, which a softmax divides by, cancels when the weights are made to sum
  // to 1; the highest score is subtracted so that exp cannot overflow.
  float sum = 0;
  for (std::size_t choice = 0; choice < chosen.size(); ++choice) {
    chosen[choice] = order[choice];
    sum += weights[choice] = weight_of(kind, score_of(order[choice]), score_of(order[0]));
  }
  for (float& weight : weights) weight /= std::max(sum, kSmallestNormal);
}

template <class T>
void choose_experts_of_all(const TopkGateShape& shape, const TopkGateTensors& tensors) {
  const auto experts = static_cast<std::size_t>(shape.experts);
  const auto top_k = static_cast<std::size_t>(shape.top_k);
  std::vector<float> scores(experts);
  for (std::int64_t token = 0; token < shape.tokens; ++token) {
    const T* logits = static_cast<const T*>(tensors.logits) + token * shape.experts;
    std::transform(logits, logits + experts, scores.begin(),
                   [](T logit) { return score(to_float(logit)); });
    choose_experts(shape.scores, scores, {tensors.expert_of + token * shape.top_k, top_k},
                   {tensors.weight_of + token * shape.top_k, top_k});
  }
}

/// That an expert takes of those that chose it.
std::int64_t rows_of(const TopkGateShape& shape, std::int64_t count) {
  return shape.capacity == 0 ? count : std::min(count, shape.capacity);
}

void count_choices(const TopkGateShape& shape, const TopkGateTensors& tensors) {
  std::fill_n(tensors.counts, shape.experts, 0);
  for (std::int64_t i = 0; i < shape.tokens * shape.top_k; ++i)
    ++tensors.counts[tensors.expert_of[i]];
  tensors.offsets[0] = 0;
  const std::int64_t multiple = shape.row_multiple;
  for (std::int64_t expert = 0; expert < shape.experts; ++expert) {
    const auto rows = rows_of(shape, tensors.counts[expert]);
    tensors.offsets[expert + 1] =
        tensors.offsets[expert] + (rows + multiple - 1) / multiple * multiple;
  }
}

void place_choices(const TopkGateShape& shape, const TopkGateTensors& tensors) {
  std::vector<std::int64_t> next(tensors.offsets, tensors.offsets + shape.experts);
  for (std::int64_t i = 0; i < shape.tokens * shape.top_k; ++i) {
    const auto expert = tensors.expert_of[i];
    auto& row = next[static_cast<std::size_t>(expert)];
    const auto end = tensors.offsets[expert] + rows_of(shape, tensors.counts[expert]);
    tensors.row_of[i] = row < end ? static_cast<std::int32_t>(row++) : std::int32_t{-1};
  }
}

}  // namespace

Work topk_gate_work(const TopkGateShape& shape) {
  const auto tokens = static_cast<double>(shape.tokens);
  const auto experts = static_cast<double>(shape.experts);
  const auto choices = tokens * static_cast<double>(shape.top_k);
  constexpr double kBytesPerChoice = 2 * sizeof(std::int32_t) + sizeof(float);
  return {.read = Bytes{tokens * experts * static_cast<double>(size_of(shape.dtype))},
          .written = Bytes{choices * kBytesPerChoice + (2 * experts + 1) * sizeof(std::int64_t)}};
}

Work choose_experts_work(const TopkGateShape& shape) {
  const auto choices = static_cast<double>(shape.tokens * shape.top_k);
  return {.read = topk_gate_work(shape).read,
          .written = Bytes{choices * (sizeof(std::int32_t) + sizeof(float))}};
}

Work sort_choices_work(const TopkGateShape& shape) {
  const auto choices = static_cast<double>(shape.tokens * shape.top_k);
  const auto experts = static_cast<double>(shape.experts);
  return {
      .read = Bytes{choices * sizeof(std::int32_t)},
      .written = Bytes{choices * sizeof(std::int32_t) + (2 * experts + 1) * sizeof(std::int64_t)}};
}

void check_shape(const TopkGateShape& shape) {
  if (shape.tokens < 0 || shape.top_k < 1 || shape.top_k > shape.experts || shape.capacity < 0)
    throw InvalidInput{
        "topk_gate needs tokens >= 0, 1 <= top_k <= experts and capacity >= 0, not "
        "tokens " +
        std::to_string(shape.tokens) + ", top_k " + std::to_string(shape.top_k) + ", experts " +
        std::to_string(shape.experts) + ", capacity " + std::to_string(shape.capacity)};
  if (shape.row_multiple < 1)
    throw InvalidInput{"topk_gate needs row_multiple >= 1, not " +
                       std::to_string(shape.row_multiple)};
  const auto padding = shape.experts * (shape.row_multiple - 1);
  if (shape.tokens > (std::numeric_limits<std::int32_t>::max() - padding) / shape.top_k)
    throw InvalidInput{"topk_gate numbers its rows with 32 bits: " + std::to_string(shape.tokens) +
                       " tokens with top_k " + std::to_string(shape.top_k) + " are too many"};
  with_float_type(shape.dtype, [](auto) {});
}

void choose_experts_cpu(const TopkGateShape& shape, const TopkGateTensors& tensors) {
  check_shape(shape);
  with_float_type(shape.dtype,
                  [&](auto zero) { choose_experts_of_all<decltype(zero)>(shape, tensors); });
}

void sort_choices_cpu(const TopkGateShape& shape, const TopkGateTensors& tensors) {
  check_shape(shape);
  count_choices(shape, tensors);
  place_choices(shape, tensors);
}

void topk_gate_cpu(const TopkGateShape& shape, const TopkGateTensors& tensors) {
  choose_experts_cpu(shape, tensors);
  sort_choices_cpu(shape, tensors);
}

void gather_rows_cpu(const GatheredRows& rows) {
  const auto* from = static_cast<const std::byte*>(rows.from);
  auto* to = static_cast<std::byte*>(rows.to);
  for (std::int64_t row = 0; row < rows.rows; ++row)
    std::copy_n(from + rows.sources[row] * rows.row_bytes, rows.row_bytes,
                to + row * rows.row_bytes);
}

}  // namespace moecal::kernels
