// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "kernels/permute/permute.hpp"
#include "kernels/quantize/quantize.hpp"
#include "kernels/routed_shape.hpp"

namespace moecal::kernels {
namespace {

QuantizeShape quantize_shape(const PermuteShape& shape) {
  return {shape.tokens, shape.hidden, shape.dtype, Dtype::fp8_e4m3, ScaleGroups::block_1x128};
}

/// First all tokens, then every one to its places.
void permute_quantized(const PermuteShape& shape, const PermuteTensors& tensors) {
  const auto quantize = quantize_shape(shape);
  std::vector<std::byte> tokens(static_cast<std::size_t>(shape.tokens * shape.hidden));
  std::vector<float> scales(static_cast<std::size_t>(scale_count(quantize)));
  quantize_cpu(quantize, {tensors.tokens, tokens.data(), scales.data()});
  permute_cpu({shape.tokens, shape.hidden, shape.top_k, Dtype::fp8_e4m3},
              {tokens.data(), tensors.row_of, tensors.rows});
  const std::int64_t choices = shape.tokens * shape.top_k;
  for (std::int64_t block = 0; block < blocks_of_row(quantize); ++block)
    for (std::int64_t choice = 0; choice < choices; ++choice)
      if (tensors.row_of[choice] >= 0)
        tensors.scales[block * choices + tensors.row_of[choice]] =
            scales[static_cast<std::size_t>(block * shape.tokens + choice / shape.top_k)];
}

}  // namespace

std::int64_t scale_count(const PermuteShape& shape) {
  return shape.to_fp8 ? scale_count(quantize_shape(shape)) * shape.top_k : 0;
}

Work permute_work(const PermuteShape& shape) {
  const auto tokens = static_cast<double>(shape.tokens);
  const auto choices = tokens * static_cast<double>(shape.top_k);
  const auto hidden = static_cast<double>(shape.hidden);
  const auto row_bytes = hidden * static_cast<double>(size_of(shape.dtype));
  const double rows = choices - static_cast<double>(shape.dropped);
  const double scales = static_cast<double>(scale_count(shape)) * rows / std::max(choices, 1.0);
  return {.read = Bytes{tokens * row_bytes + choices * sizeof(std::int32_t)},
          .written = Bytes{rows * (shape.to_fp8 ? hidden : row_bytes) + scales * sizeof(float)}};
}

void check_shape(const PermuteShape& shape) {
  check_routed_shape("permute", shape);
  if (shape.to_fp8) check_shape(quantize_shape(shape));
}

void permute_cpu(const PermuteShape& shape, const PermuteTensors& tensors) {
  check_shape(shape);
  if (shape.to_fp8) return permute_quantized(shape, tensors);
  const auto row_bytes = shape.hidden * size_of(shape.dtype);
  const auto* from = static_cast<const char*>(tensors.tokens);
  auto* to = static_cast<char*>(tensors.rows);
  for (std::int64_t token = 0; token < shape.tokens; ++token)
    for (std::int64_t choice = 0; choice < shape.top_k; ++choice) {
      const std::int64_t row = tensors.row_of[token * shape.top_k + choice];
      if (row < 0) continue;
      std::copy_n(from + token * row_bytes, row_bytes, to + row * row_bytes);
    }
}

}  // namespace moecal::kernels
