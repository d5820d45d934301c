// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/quantize/quantize.hpp"
#include "kernels/swiglu/swiglu.hpp"

namespace moecal::kernels {
namespace {

float silu(float x) { return x / (1 + std::exp(-x)); }

/// The whole result in f32, [tokens, inner].
template <class T>
std::vector<float> activated(const SwigluShape& shape, const SwigluTensors& tensors) {
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(shape.tokens * shape.inner));
  for (std::int64_t token = 0; token < shape.tokens; ++token) {
    const T* gate = static_cast<const T*>(tensors.gate_up) + token * 2 * shape.inner;
    const T* up = gate + shape.inner;
    for (std::int64_t i = 0; i < shape.inner; ++i)
      result.push_back(silu(to_float(gate[i])) * to_float(up[i]));
  }
  return result;
}

QuantizeShape quantize_shape(const SwigluShape& shape) {
  return {shape.tokens, shape.inner, Dtype::f32, shape.to, ScaleGroups::block_1x128};
}

}  // namespace

std::int64_t scale_count(const SwigluShape& shape) {
  return shape.to == Dtype::fp8_e4m3 ? scale_count(quantize_shape(shape)) : 0;
}

Work swiglu_work(const SwigluShape& shape) {
  const double results = static_cast<double>(shape.tokens) * static_cast<double>(shape.inner);
  return {.flops = Flops{5 * results},
          .read = Bytes{2 * results * static_cast<double>(size_of(shape.from))},
          .written = Bytes{results * static_cast<double>(size_of(shape.to)) +
                           static_cast<double>(scale_count(shape)) * sizeof(float)}};
}

void check_shape(const SwigluShape& shape) {
  if (shape.tokens < 0 || shape.inner < 0)
    throw InvalidInput{"swiglu needs tokens >= 0 and inner >= 0, not tokens " +
                       std::to_string(shape.tokens) + ", inner " + std::to_string(shape.inner)};
  with_float_type(shape.from, [](auto) {});
  if (shape.to != shape.from && shape.to != Dtype::fp8_e4m3)
    throw InvalidInput{"swiglu of " + std::string{to_string(shape.from)} +
                       " makes the same or fp8_e4m3, not " + std::string{to_string(shape.to)}};
}

void swiglu_cpu(const SwigluShape& shape, const SwigluTensors& tensors) {
  check_shape(shape);
  with_float_type(shape.from, [&](auto zero) {
    using T = decltype(zero);
    const auto result = activated<T>(shape, tensors);
    if (shape.to == Dtype::fp8_e4m3)
      return quantize_cpu(quantize_shape(shape),
                          {result.data(), tensors.activated, tensors.scales});
    auto* to = static_cast<T*>(tensors.activated);
    for (const float value : result) *to++ = from_float<T>(value);
  });
}

}  // namespace moecal::kernels
