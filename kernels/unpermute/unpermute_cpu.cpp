// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/narrow_float.hpp"
#include "kernels/unpermute/unpermute.hpp"

namespace moecal::kernels {
namespace {

// Kernels count the words of a row, and some past it, with 32 bits.
constexpr std::int64_t kLongestRow = 1LL << 28;

template <class T>
void combine_rows(const UnpermuteShape& shape, const UnpermuteTensors& tensors) {
  std::vector<float> sum(static_cast<std::size_t>(shape.hidden));
  for (std::int64_t token = 0; token < shape.tokens; ++token) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (std::int64_t i = token * shape.top_k; i < (token + 1) * shape.top_k; ++i) {
      if (tensors.row_of[i] < 0) continue;
      const T* row = static_cast<const T*>(tensors.rows) + tensors.row_of[i] * shape.hidden;
      for (float& element : sum) element += tensors.weight_of[i] * to_float(*row++);
    }
    std::transform(sum.begin(), sum.end(), static_cast<T*>(tensors.tokens) + token * shape.hidden,
                   [](float element) { return from_float<T>(element); });
  }
}

}  // namespace

Work unpermute_work(const UnpermuteShape& shape) {
  const auto tokens = static_cast<double>(shape.tokens);
  const auto choices = tokens * static_cast<double>(shape.top_k);
  const auto hidden = static_cast<double>(shape.hidden);
  const auto row_bytes = hidden * static_cast<double>(size_of(shape.dtype));
  constexpr double kBytesPerChoice = sizeof(std::int32_t) + sizeof(float);
  const double rows = choices - static_cast<double>(shape.dropped);
  return {.flops = Flops{2 * rows * hidden},
          .read = Bytes{rows * row_bytes + choices * kBytesPerChoice},
          .written = Bytes{tokens * row_bytes}};
}

void check_shape(const UnpermuteShape& shape) {
  if (shape.tokens < 0 || shape.hidden < 0 || shape.top_k < 1)
    throw InvalidInput{"unpermute needs tokens >= 0, hidden >= 0 and top_k >= 1, not tokens " +
                       std::to_string(shape.tokens) + ", hidden " + std::to_string(shape.hidden) +
                       ", top_k " + std::to_string(shape.top_k)};
  if (shape.hidden > kLongestRow)
    throw InvalidInput{"unpermute takes rows of " + std::to_string(kLongestRow) +
                       " elements at most, not of " + std::to_string(shape.hidden)};
  if (shape.tokens > std::numeric_limits<std::int32_t>::max() / shape.top_k)
    throw InvalidInput{"unpermute numbers its rows with 32 bits: " + std::to_string(shape.tokens) +
                       " tokens with top_k " + std::to_string(shape.top_k) + " are too many"};
  with_float_type(shape.dtype, [](auto) {});
}

void unpermute_cpu(const UnpermuteShape& shape, const UnpermuteTensors& tensors) {
  check_shape(shape);
  with_float_type(shape.dtype, [&](auto zero) { combine_rows<decltype(zero)>(shape, tensors); });
}

}  // namespace moecal::kernels
