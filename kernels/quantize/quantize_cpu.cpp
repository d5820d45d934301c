// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "core/element.hpp"
#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/quantize/quantize.hpp"

namespace moecal::kernels {
namespace {

/// Some neighbouring elements that share a scale.
template <class From, class To>
struct Group {
  const From* values;
  To* quantized;
  std::int64_t count;
};

template <class From, class To>
float amax_of(const Group<From, To>& group) {
  float amax = kSmallestAmax;
  for (std::int64_t i = 0; i < group.count; ++i) {
    const float magnitude = std::fabs(to_float(group.values[i]));
    if (std::isfinite(magnitude)) amax = std::max(amax, magnitude);
  }
  return amax;
}

/// Returns the scale.
template <class From, class To>
float quantize_group(const Group<From, To>& group, float largest) {
  const float amax = amax_of(group);
  const float factor = largest / amax;
  for (std::int64_t i = 0; i < group.count; ++i)
    group.quantized[i] = from_float<To>(to_float(group.values[i]) * factor);
  return amax / largest;
}

/// Rows whose scales make an array of their own.
struct RowGroup {
  std::int64_t first;
  std::int64_t rows;
};

RowGroup group_of(const QuantizeShape& shape, const std::int64_t* offsets, std::int64_t token) {
  if (shape.row_groups == 0) return {0, shape.tokens};
  const auto* end = offsets + shape.row_groups + 1;
  const auto* next = std::upper_bound(offsets, end, token);
  return {next[-1], (next == end ? shape.tokens : *next) - next[-1]};
}

template <class From, class To>
void quantize_all(const QuantizeShape& shape, const QuantizeTensors& tensors) {
  const auto* values = static_cast<const From*>(tensors.values);
  auto* quantized = static_cast<To*>(tensors.quantized);
  const auto largest = static_cast<float>(largest_value(shape.to));
  if (shape.groups == ScaleGroups::tensor) {
    tensors.scales[0] =
        quantize_group<From, To>({values, quantized, shape.tokens * shape.hidden}, largest);
    return;
  }
  const std::int64_t blocks = blocks_of_row(shape);
  for (std::int64_t token = 0; token < shape.tokens; ++token) {
    const auto group = group_of(shape, tensors.row_offsets, token);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t first = token * shape.hidden + block * kScaleBlock;
      const std::int64_t count = std::min(kScaleBlock, shape.hidden - block * kScaleBlock);
      tensors.scales[group.first * blocks + block * group.rows + token - group.first] =
          quantize_group<From, To>({values + first, quantized + first, count}, largest);
    }
  }
}

}  // namespace

std::int64_t blocks_of_row(const QuantizeShape& shape) {
  return (shape.hidden + kScaleBlock - 1) / kScaleBlock;
}

std::int64_t scale_count(const QuantizeShape& shape) {
  return shape.groups == ScaleGroups::tensor ? 1 : shape.tokens * blocks_of_row(shape);
}

Work quantize_work(const QuantizeShape& shape) {
  const double elements = static_cast<double>(shape.tokens) * static_cast<double>(shape.hidden);
  const auto offsets = shape.row_groups == 0 ? 0 : shape.row_groups + 1;
  return {.read = Bytes{elements * static_cast<double>(size_of(shape.from)) +
                        static_cast<double>(offsets) * sizeof(std::int64_t)},
          .written = Bytes{elements * static_cast<double>(size_of(shape.to)) +
                           static_cast<double>(scale_count(shape)) * sizeof(float)}};
}

void check_shape(const QuantizeShape& shape) {
  if (shape.tokens < 0 || shape.hidden < 0)
    throw InvalidInput{"quantize needs tokens >= 0 and hidden >= 0, not tokens " +
                       std::to_string(shape.tokens) + ", hidden " + std::to_string(shape.hidden)};
  const bool has_blocks = shape.groups == ScaleGroups::block_1x128;
  if (shape.row_groups < 0 || (shape.row_groups > 0 && !has_blocks))
    throw InvalidInput{
        "quantize has row groups with scales per block of 128 only, 0 or more, not " +
        std::to_string(shape.row_groups)};
  if (shape.to != Dtype::fp8_e4m3 && shape.to != Dtype::fp8_e5m2)
    throw InvalidInput{"quantize makes fp8_e4m3 or fp8_e5m2, not " +
                       std::string{to_string(shape.to)}};
  with_float_type(shape.from, [](auto) {});
}

void quantize_cpu(const QuantizeShape& shape, const QuantizeTensors& tensors) {
  check_shape(shape);
  with_float_type(shape.from, [&](auto zero) {
    if (shape.to == Dtype::fp8_e4m3) return quantize_all<decltype(zero), Fp8E4M3>(shape, tensors);
    quantize_all<decltype(zero), Fp8E5M2>(shape, tensors);
  });
}

}  // namespace moecal::kernels
