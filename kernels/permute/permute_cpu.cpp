// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "kernels/permute/permute.hpp"

namespace moecal::kernels {

Work permute_work(const PermuteShape& shape) {
  const auto tokens = static_cast<double>(shape.tokens);
  const auto choices = tokens * static_cast<double>(shape.top_k);
  const auto row_bytes = static_cast<double>(shape.hidden * size_of(shape.dtype));
  return {.read = Bytes{tokens * row_bytes + choices * sizeof(std::int32_t)},
          .written = Bytes{choices * row_bytes}};
}

void check_shape(const PermuteShape& shape) {
  if (shape.tokens < 0 || shape.hidden < 0 || shape.top_k < 1)
    throw InvalidInput{"permute needs tokens >= 0, hidden >= 0 and top_k >= 1, not tokens " +
                       std::to_string(shape.tokens) + ", hidden " + std::to_string(shape.hidden) +
                       ", top_k " + std::to_string(shape.top_k)};
  if (shape.tokens > std::numeric_limits<std::int32_t>::max() / shape.top_k)
    throw InvalidInput{"permute numbers its rows with 32 bits: " + std::to_string(shape.tokens) +
                       " tokens with top_k " + std::to_string(shape.top_k) + " are too many"};
}

void permute_cpu(const PermuteShape& shape, const PermuteTensors& tensors) {
  check_shape(shape);
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
