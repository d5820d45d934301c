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
  for (std::int64_t token = 0; token < shape.tokens; ++token)
    for (std::int64_t block = 0; block < blocks_of_row(shape); ++block) {
      const std::int64_t first = token * shape.hidden + block * kScaleBlock;
      const std::int64_t count = std::min(kScaleBlock, shape.hidden - block * kScaleBlock);
      tensors.scales[block * shape.tokens + token] =
          quantize_group<From, To>({values + first, quantized + first, count}, largest);
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
  return {.read = Bytes{elements * static_cast<double>(size_of(shape.from))},
          .written = Bytes{elements * static_cast<double>(size_of(shape.to)) +
                           static_cast<double>(scale_count(shape)) * sizeof(float)}};
}

void check_shape(const QuantizeShape& shape) {
  if (shape.tokens < 0 || shape.hidden < 0)
    throw InvalidInput{"quantize needs tokens >= 0 and hidden >= 0, not tokens " +
                       std::to_string(shape.tokens) + ", hidden " + std::to_string(shape.hidden)};
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
