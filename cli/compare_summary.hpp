// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "cli/compare_output.hpp"

namespace moecal::cli {

/// A line for each operation and dtype: how many calls, the least, median and most of their ratios,
/// and how many are faster, slower and undecided.
[[nodiscard]] std::string summary_text(const Comparison& comparison);

/// What nothing verifies of the times compared, a line for each kind of doubt: figures of a spec
/// sheet that times were transferred to, and models that nothing held out has checked.
[[nodiscard]] std::vector<std::string> unverified(const Comparison& comparison);

}  // namespace moecal::cli
