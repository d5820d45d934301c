// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/output_files.hpp"

#include <filesystem>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

namespace fs = std::filesystem;

/// One file of a disk, by whatever names: the same path, a symbolic link or a hard link.
bool are_one_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (fs::exists(a, error) && !fs::is_regular_file(a, error)) return false;
  if (fs::equivalent(a, b, error)) return true;
  // Not there yet: what the names lead to.
  const auto path_a = fs::weakly_canonical(fs::absolute(a, error), error);
  return !error && path_a == fs::weakly_canonical(fs::absolute(b, error), error) && !error;
}

}  // namespace

void check_outputs(std::span<const OutputFile> outputs, std::span<const std::string> inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [option, path] = outputs[i];
    if (path.empty()) continue;
    for (const auto& input : inputs)
      if (are_one_file(path, input))
        throw InvalidInput{option + " would overwrite '" + path + "', which is the input '" +
                           input + "': name another file; nothing was written"};
    for (const auto& other : outputs.subspan(i + 1))
      if (!other.path.empty() && are_one_file(path, other.path))
        throw InvalidInput{option + " and " + other.option + " are one file, '" + path +
                           "': name two; nothing was written"};
  }
}

}  // namespace moecal::cli
