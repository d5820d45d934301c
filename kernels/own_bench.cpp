// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/own_bench.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/narrow_float.hpp"

namespace moecal::bench {
namespace {

double uniform(std::mt19937_64& engine) {
  return 0x1p-52 * static_cast<double>(engine() >> 11) - 1;
}

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

std::vector<std::byte> uniform_elements(Dtype dtype, std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 engine{seed};
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * size_of(dtype)));
  if (size_of(dtype) == 1) {
    // With its highest exponent bit cleared, no pattern of either FP8 format is a NaN or infinite.
    for (auto& byte : bytes) byte = static_cast<std::byte>(engine() & 0xbfU);
    return bytes;
  }
  with_float_type(dtype, [&](auto zero) {
    for (std::size_t i = 0; i < bytes.size(); i += sizeof zero) {
      const auto element = from_float<decltype(zero)>(static_cast<float>(uniform(engine)));
      std::memcpy(&bytes[i], &element, sizeof element);
    }
  });
  return bytes;
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
