// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.hpp"

namespace moecal {

/// One element of any dtype from its bits, exactly.
[[nodiscard]] double decode_element(Dtype dtype, const std::byte* bits);

/// Elements in memory, so many bytes from one to the next.
struct StoredElements {
  Dtype dtype = Dtype::f32;
  const std::byte* first = nullptr;
  std::size_t step = 0;
  float scale = 1.0F;
};
/// `values.size()` of them, each times their scale.
void decode_elements(const StoredElements& elements, std::span<double> values);

/// Rounds to the nearest element, ties to even, and writes its bits. Values beyond the largest
/// finite one become infinity (f32, f16, bf16) or that largest value (FP8 and the integers, as the
/// hardware's saturating conversions do). NaN stays NaN; for integers it becomes 0.
void encode_element(Dtype dtype, double value, std::byte* bits);

/// Half the distance between 1 and the next element: the largest relative rounding error of a
/// normal number. 0 for integers.
[[nodiscard]] double unit_roundoff(Dtype dtype);

/// The largest finite value.
[[nodiscard]] double largest_value(Dtype dtype);

}  // namespace moecal
