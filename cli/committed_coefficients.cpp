// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/committed_coefficients.hpp"

#include <algorithm>
#include <filesystem>

#include "core/data_dir.hpp"

namespace moecal::cli {

std::vector<std::string> committed_coefficients() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator{data_path("results/coefficients")})
    if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace moecal::cli
