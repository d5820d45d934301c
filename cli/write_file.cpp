// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/write_file.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path) {
  throw Error{"cannot write '" + path.string() + "': is the folder there, writable, and not full?"};
}

[[nodiscard]] bool write_through(const fs::path& path, const std::string& text) {
  std::ofstream file{path, std::ios::binary};
  file << text;
  file.close();
  return static_cast<bool>(file);
}

/// Devices and pipes hold nothing that could be lost, and cannot be replaced by a file.
bool holds_something_else(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status);
}

/// What a link leads to: the link itself stays.
fs::path file_of(const std::string& path) {
  std::error_code error;
  const auto file = fs::weakly_canonical(path, error);
  return error ? fs::path{path} : file;
}

void keep_permissions(const fs::path& of, const fs::path& on) {
  std::error_code error;
  const auto status = fs::status(of, error);
  if (fs::exists(status)) fs::permissions(on, status.permissions(), error);
}

/// Beside the file, for a file system can rename only within itself.
class Draft {
 public:
  explicit Draft(const fs::path& file)
      : path_{file.string() + "." + std::to_string(::getpid()) + ".part"} {}
  ~Draft() {
    std::error_code error;
    fs::remove(path_, error);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

void make_folder_of(const std::string& path) {
  const auto folder = fs::path{path}.parent_path();
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
}

void write_file(const std::string& path, const std::string& text) {
  make_folder_of(path);
  if (holds_something_else(path)) {
    if (!write_through(path, text)) fail(path);
    return;
  }
  const auto file = file_of(path);
  const Draft draft{file};
  if (!write_through(draft.path(), text)) fail(path);
  keep_permissions(file, draft.path());
  std::error_code error;
  fs::rename(draft.path(), file, error);
  if (error) fail(path);
}

}  // namespace moecal::cli
