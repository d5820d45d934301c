// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::cli {

/// Writes the whole file, making its folder. It is written beside and then takes the place of what
/// was there, which so stays whole if the disk is full or the process ends. Only where its folder
/// takes no new file is it written over. Links stay, and lead to the file.
/// @throws Error if it cannot be written.
void write_file(const std::string& path, const std::string& text);

/// Makes the folder that a file is to lie in, where it is not there: whoever then opens the file
/// says what is wrong if it could not be made.
void make_folder_of(const std::string& path);

}  // namespace moecal::cli
