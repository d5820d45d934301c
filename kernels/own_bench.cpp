// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/own_bench.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/element.hpp"
#include "core/hash.hpp"
#include "core/narrow_float.hpp"
#include "core/parallel.hpp"

namespace moecal::bench {
namespace {

constexpr std::size_t kFillChunk = 1 << 16;

/// Fills `bytes` with element(i) of T: a function of i alone, so that threads can share the work.
template <class T, class Element>
void fill_in_parallel(std::vector<std::byte>& bytes, const Element& element) {
  const std::size_t count = bytes.size() / sizeof(T);
  for_each_index((count + kFillChunk - 1) / kFillChunk, 0, [&](std::size_t chunk) {
    const std::size_t end = std::min(count, (chunk + 1) * kFillChunk);
    for (std::size_t i = chunk * kFillChunk; i < end; ++i) {
      const T value = element(i);
      std::memcpy(&bytes[i * sizeof(T)], &value, sizeof(T));
    }
  });
}

double uniform(std::uint64_t bits) { return 0x1p-52 * static_cast<double>(bits >> 11) - 1; }

/// Evenly spaced over [-1, 1], rounded to `dtype`: FP8 has far fewer values than this.
std::vector<std::byte> one_byte_palette(Dtype dtype) {
  std::vector<std::byte> palette(4096);
  for (std::size_t i = 0; i < palette.size(); ++i)
    encode_element(dtype, static_cast<double>(i) / 2047.5 - 1, &palette[i]);
  return palette;
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
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * size_of(dtype)));
  const auto bits = [start = mix(seed)](std::size_t i) { return mix(start + i); };
  if (size_of(dtype) == 1) {
    const auto palette = one_byte_palette(dtype);
    fill_in_parallel<std::byte>(bytes, [&](std::size_t i) { return palette[bits(i) >> 52]; });
    return bytes;
  }
  with_float_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    fill_in_parallel<T>(
        bytes, [&](std::size_t i) { return from_float<T>(static_cast<float>(uniform(bits(i)))); });
  });
  return bytes;
}

std::vector<std::int64_t> rows_to_check(std::int64_t rows, std::int64_t row_elements) {
  constexpr std::int64_t kElements = std::int64_t{1} << 23;
  constexpr std::int64_t kFewestRows = 1024;
  const std::int64_t wanted =
      std::max(kFewestRows, kElements / std::max<std::int64_t>(1, row_elements));
  const std::int64_t count = rows * row_elements <= kElements ? rows : std::min(rows, wanted);
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = i * rows / count, length = (i + 1) * rows / count - first;
    const auto any = static_cast<std::int64_t>(mix(static_cast<std::uint64_t>(i)) %
                                               static_cast<std::uint64_t>(length));
    chosen.push_back(i == 0 ? 0 : i + 1 == count ? rows - 1 : first + any);
  }
  return chosen;
}

std::string check_method(const std::vector<std::int64_t>& checked, std::int64_t rows) {
  if (static_cast<std::int64_t>(checked.size()) >= rows) return "full";
  return std::to_string(checked.size()) + " of " + std::to_string(rows) + " rows";
}

std::vector<std::byte> rows_of(const std::vector<std::byte>& array,
                               const std::vector<std::int64_t>& rows, std::int64_t row_bytes) {
  std::vector<std::byte> chosen;
  chosen.reserve(rows.size() * static_cast<std::size_t>(row_bytes));
  for (const auto row : rows) {
    const auto first = array.begin() + row * row_bytes;
    chosen.insert(chosen.end(), first, first + row_bytes);
  }
  return chosen;
}

std::vector<float> columns_of(const std::vector<float>& array,
                              const std::vector<std::int64_t>& wanted, std::int64_t columns) {
  std::vector<float> chosen;
  for (std::int64_t row = 0; row * columns < static_cast<std::int64_t>(array.size()); ++row)
    for (const auto column : wanted)
      chosen.push_back(array[static_cast<std::size_t>(row * columns + column)]);
  return chosen;
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
