// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/observation.hpp"

namespace moecal::cli {

/// Reads files of observations. A last line that was cut off is named on standard error.
/// @throws InvalidInput naming file and line; also where a file is empty, or an observation names
/// an environment that its file does not have.
[[nodiscard]] std::vector<ObservationFile> read_observation_files(
    std::span<const std::string> paths);

}  // namespace moecal::cli
