// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"

namespace moecal::bench {

/// A case and the line it stands on.
struct SuiteCase {
  Case c;
  FileLine where;
};
/// Cases of a suite file, by operation.
using SuiteCases = std::map<std::string, std::vector<SuiteCase>>;

/// Reads JSON Lines such as
///   {"operation": "expert_gemm", "point": {"m": 8, "n": 64, "k": 64}, "dtypes": {"a": "f32", ...}}
/// with, where they matter, "ranks" and "routing" as observations have them; fields left out take
/// the defaults of core/point.hpp.
/// @throws InvalidInput naming file, line and field.
[[nodiscard]] SuiteCases read_suite(const std::string& path);

}  // namespace moecal::bench
