// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace moecal::cli {

/// The coefficients files that come with moecal, in the order of their names.
[[nodiscard]] std::vector<std::string> committed_coefficients();

}  // namespace moecal::cli
