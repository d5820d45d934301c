// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/write_file.hpp"

#include <filesystem>
#include <fstream>

#include "core/error.hpp"

namespace moecal::cli {

void make_folder_of(const std::string& path) {
  const auto folder = std::filesystem::path{path}.parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
}

void write_file(const std::string& path, const std::string& text) {
  make_folder_of(path);
  std::ofstream file{path, std::ios::binary};
  if (!(file << text) || !file.flush())
    throw Error{"cannot write '" + path + "': is the folder there, writable, and not full?"};
}

}  // namespace moecal::cli
