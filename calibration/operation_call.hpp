// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "calibration/expert_loads.hpp"
#include "core/dtype.hpp"
#include "core/point.hpp"
#include "core/routing.hpp"

namespace moecal::calibration {

inline constexpr double kScaleBytes = 4;    // of quantized values: f32
inline constexpr double kScaleBlock = 128;  // values of a row that share one

/// Bytes of one element of a GEMM's operands and result.
struct ElementBytes {
  double a = 0, b = 0, c = 0;
};
[[nodiscard]] ElementBytes element_bytes(const Dtypes& dtypes);

/// So many products of m x k and k x n.
struct GroupedShape {
  double groups = 1, m = 0, n = 0, k = 0;
};

/// The numbers of one call, asked for by name. Refers to what it is made of.
struct OperationCall {
  const std::string& operation;
  const Point& point;
  const Dtypes& dtypes;
  const RoutingSpec& routing;
  KnownLoads* loads = nullptr;

  /// @throws InvalidInput where the point has no such number, or a negative one.
  [[nodiscard]] double number(const std::string& name) const;
  [[nodiscard]] double number_or(const std::string& name, double fallback) const;
  [[nodiscard]] std::int64_t whole(const std::string& name) const;
  // Bytes of an element of each operand and of the result.
  [[nodiscard]] double a() const { return element_bytes(dtypes).a; }
  [[nodiscard]] double b() const { return element_bytes(dtypes).b; }
  [[nodiscard]] double c() const { return element_bytes(dtypes).c; }
};

}  // namespace moecal::calibration
