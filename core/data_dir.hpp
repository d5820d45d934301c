// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal {

/// The path of a data file of moecal's own (claims/..., hardware/..., results/...), looked for in
/// $MOECAL_DATA_DIR, then in share/moecal beside the program's folder, then in the source tree of
/// the build.
/// @throws InvalidInput naming the places looked at.
[[nodiscard]] std::string data_path(const std::string& relative);

}  // namespace moecal
