// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::cli {

/// Writes the whole file, making its folder. @throws Error if it cannot be written.
void write_file(const std::string& path, const std::string& text);

}  // namespace moecal::cli
