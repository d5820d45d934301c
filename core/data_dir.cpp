// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/data_dir.hpp"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "core/build.hpp"
#include "core/error.hpp"

namespace moecal {

std::string data_path(const std::string& relative) {
  std::vector<std::filesystem::path> roots;
  if (const char* chosen = std::getenv("MOECAL_DATA_DIR")) roots.emplace_back(chosen);
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) roots.push_back(program.parent_path().parent_path() / "share" / "moecal");
  roots.emplace_back(build::source_dir);
  std::string looked;
  for (const auto& root : roots) {
    const auto path = root / relative;
    if (std::filesystem::exists(path, ignored)) return path.string();
    looked += "\n  " + path.string();
  }
  throw InvalidInput{"cannot find moecal's data file '" + relative +
                     "'; set MOECAL_DATA_DIR to the folder that has it. Looked at:" + looked};
}

}  // namespace moecal
