// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/write_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path) {
  throw Error{"cannot write '" + path.string() + "': is the folder there, writable, and not full?"};
}

[[nodiscard]] bool write_to(std::ofstream& file, const std::string& text) {
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

constexpr int kMostLinks = 40;  // as the kernel follows

/// What a link leads to, there or not: the link itself stays.
fs::path file_of(const std::string& path) {
  std::error_code error;
  fs::path file{path};
  for (int link = 0; fs::is_symlink(fs::symlink_status(file, error)); ++link) {
    if (link == kMostLinks) fail(path);
    file = file.parent_path() / fs::read_symlink(file, error);
    if (error) fail(path);
  }
  return file;
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

bool is_full(int error) { return error == ENOSPC || error == EDQUOT; }

/// @return false if the folder lets no file be made beside this one, or take its place
[[nodiscard]] bool replace(const fs::path& file, const std::string& text) {
  const Draft draft{file};
  std::ofstream stream{draft.path(), std::ios::binary};
  if (!stream && is_full(errno)) fail(file);
  if (!stream) return false;
  if (!write_to(stream, text)) fail(file);
  keep_permissions(file, draft.path());
  std::error_code error;
  fs::rename(draft.path(), file, error);
  return !error;
}

}  // namespace

void make_folder_of(const std::string& path) {
  const auto folder = fs::path{path}.parent_path();
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
}

void write_file(const std::string& path, const std::string& text) {
  make_folder_of(path);
  if (!holds_something_else(path) && replace(file_of(path), text)) return;
  std::ofstream file{path, std::ios::binary};
  if (!write_to(file, text)) fail(path);
}

}  // namespace moecal::cli
