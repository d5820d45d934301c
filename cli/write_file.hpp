// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::cli {

/// Writes the whole file, making its folder. @throws Error if it cannot be written.
void write_file(const std::string& path, const std::string& text);

/// Makes the folder that a file is to lie in, where it is not there: whoever then opens the file
/// says what is wrong if it could not be made.
void make_folder_of(const std::string& path);

}  // namespace moecal::cli
