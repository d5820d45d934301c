// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "core/observation.hpp"

/// What benchmark frameworks (NVBench, Google Benchmark) have in common: a benchmark of any name
/// over axes of any name.
namespace moecal::interchange {

/// One value of one axis, as text.
struct AxisValue {
  std::string name;
  std::string value;
};

/// "BM_SetInsert" -> set_insert, "expert_gemm" -> expert_gemm; empty if nothing remains.
[[nodiscard]] std::string operation_word(const std::string& name);

/// Sets operation, point, dtypes and implementation. Whole numbers make up the point; an axis
/// called T, type or dtype gives the type where moecal has a word for it; every other value tells
/// one way to run it from another, and so becomes part of the implementation's name.
/// @throws InvalidInput if the name has no letter or digit.
void describe_benchmark(const std::string& name, const std::vector<AxisValue>& axes,
                        Observation& observation);

/// Seconds in a unit: "s", "sec", "ms", "us", "ns". @throws InvalidInput for another.
[[nodiscard]] double seconds_per(const std::string& unit);

}  // namespace moecal::interchange
