// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace moecal {

/// A new folder that is gone when its user is.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_{std::filesystem::temp_directory_path() / "moecal_test_XXXXXX"} {
    auto name = path_.string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"cannot make '" + name + "'"};
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ / name; }

  /// The path of a file that now holds this text.
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream{path_ / name, std::ios::binary} << text;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace moecal
