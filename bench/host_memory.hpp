// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "core/units.hpp"

namespace moecal::bench {

/// Of this host, under the least limit of its control groups (version 1 or 2) from this process's
/// up; 0 where nothing says it. MOECAL_HOST_MEMORY, in bytes, is a user who knows better: a
/// container may show less than it may use. Of tests: `root` holds their own proc and sys.
/// @throws InvalidInput naming the variable
[[nodiscard]] Bytes host_memory(const std::string& root = "");

}  // namespace moecal::bench
