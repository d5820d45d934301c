// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <limits>
#include <string>

#include "core/error.hpp"

/// What the operations that move tokens to their experts' rows and back ask of a shape.
namespace moecal::kernels {

// Kernels count the words of a row, and some past it, with 32 bits.
inline constexpr std::int64_t kLongestRoutedRow = 1LL << 28;

/// @throws InvalidInput, in the operation's name, on sizes that its kernels cannot count
template <class Shape>
void check_routed_shape(const std::string& operation, const Shape& shape) {
  if (shape.tokens < 0 || shape.hidden < 0 || shape.top_k < 1)
    throw InvalidInput{operation + " needs tokens >= 0, hidden >= 0 and top_k >= 1, not tokens " +
                       std::to_string(shape.tokens) + ", hidden " + std::to_string(shape.hidden) +
                       ", top_k " + std::to_string(shape.top_k)};
  if (shape.hidden > kLongestRoutedRow)
    throw InvalidInput{operation + " takes rows of " + std::to_string(kLongestRoutedRow) +
                       " elements at most, not of " + std::to_string(shape.hidden)};
  if (shape.tokens > std::numeric_limits<std::int32_t>::max() / shape.top_k)
    throw InvalidInput{operation +
                       " numbers its rows with 32 bits: " + std::to_string(shape.tokens) +
                       " tokens with top_k " + std::to_string(shape.top_k) + " are too many"};
}

}  // namespace moecal::kernels
