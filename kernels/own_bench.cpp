// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/own_bench.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/narrow_float.hpp"

namespace moecal::bench {
namespace {

double error_of(float actual, float expected) {
  if (std::isnan(actual) || std::isnan(expected)) return std::numeric_limits<double>::infinity();
  return std::abs(static_cast<double>(actual) - static_cast<double>(expected));
}

template <class T>
double relative_error_of(const T* actual, const T* expected, std::size_t count) {
  double error = 0;
  double largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    error = std::max(error, error_of(to_float(actual[i]), to_float(expected[i])));
    largest = std::max(largest, std::abs(static_cast<double>(to_float(expected[i]))));
  }
  return error == 0 ? 0 : error / largest;
}

}  // namespace

std::vector<Implementation> own_implementations() {
  if constexpr (build::has_cuda) return {kOwnCuda, kOracleLoop};
  return {kOracleLoop};
}

LibraryInfo own_library() { return {"moecal", build::version, "own", 0}; }

Memory::Place place_of(const Implementation& implementation) {
  return implementation.backend == "cuda" ? Memory::Place::device : Memory::Place::host;
}

double relative_error(Dtype dtype, const std::vector<std::byte>& actual,
                      const std::vector<std::byte>& expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  return with_float_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    return relative_error_of(reinterpret_cast<const T*>(actual.data()),
                             reinterpret_cast<const T*>(expected.data()),
                             actual.size() / sizeof(T));
  });
}

}  // namespace moecal::bench
