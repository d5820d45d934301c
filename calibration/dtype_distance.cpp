// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/dtype_distance.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "calibration/features.hpp"
#include "core/dtype.hpp"

namespace moecal::calibration {
namespace {

int preference(const std::string& dtype) {
  static constexpr std::array<std::string_view, 8> kOrder{"f16",  "bf16",     "f32",   "fp8_e4m3",
                                                          "int8", "fp8_e5m2", "uint8", "int32"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), dtype) - kOrder.begin());
}

bool is_integer(const std::string& dtype) {
  return dtype == "int8" || dtype == "uint8" || dtype == "int32";
}

}  // namespace

int dtype_distance(const std::string& operation, const std::string& dtype, const Query& query) {
  if (query.dtype.empty() || dtype == query.dtype)
    return query.dtype.empty() ? preference(dtype) : 0;
  const auto family = family_of(operation, query.point);
  if (dtype.empty()) return family == Family::exchange ? 0 : kNoMatch;
  const bool same_width = size_of(parse_dtype(dtype)) == size_of(parse_dtype(query.dtype));
  if (family == Family::gemm || family == Family::grouped)
    return same_width && is_integer(dtype) == is_integer(query.dtype) ? 1 : kNoMatch;
  return (same_width ? 1 : 10) + preference(dtype);
}

}  // namespace moecal::calibration
