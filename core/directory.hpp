// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

#include "core/error.hpp"

namespace moecal {

/// A stream opens a directory as if it were an empty file.
/// @throws InvalidInput if the path is one.
inline void refuse_directory(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw InvalidInput{"'" + path + "' is a directory: name a file"};
}

}  // namespace moecal
