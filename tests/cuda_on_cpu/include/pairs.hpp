// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>

#include "core/narrow_float.hpp"

/// What CUDA computes of two 16-bit numbers at a time.
namespace moecal::cuda_on_cpu {

template <class T>
struct alignas(4) Pair {
  T x, y;
};

/// A number before NaN, and +0 before -0.
template <class T>
T higher(T a, T b) {
  const float from_a = to_float(a), from_b = to_float(b);
  if (std::isnan(from_a)) return b;
  if (std::isnan(from_b)) return a;
  if (from_a == from_b) return std::signbit(from_a) ? b : a;
  return from_a > from_b ? a : b;
}

template <class T>
Pair<T> higher(Pair<T> a, Pair<T> b) {
  return {higher(a.x, b.x), higher(a.y, b.y)};
}

template <class T>
Pair<T> sum(Pair<T> a, Pair<T> b) {
  return {from_float<T>(to_float(a.x) + to_float(b.x)),
          from_float<T>(to_float(a.y) + to_float(b.y))};
}

}  // namespace moecal::cuda_on_cpu
