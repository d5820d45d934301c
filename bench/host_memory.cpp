// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/host_memory.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.hpp"

namespace moecal::bench {
namespace {

namespace fs = std::filesystem;

double installed_memory(const std::string& root) {
  std::ifstream file{root + "/proc/meminfo"};
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string name;
    double kibibytes = 0;
    if (words >> name >> kibibytes && name == "MemTotal:") return kibibytes * 1024;
  }
  return 0;
}

// A file that is not there, or says "max", sets no limit.
double limited(double bytes, const fs::path& file) {
  std::ifstream stream{file};
  double limit = 0;
  return stream >> limit && limit > 0 ? std::min(bytes, limit) : bytes;
}

// A group's limit holds for all groups inside it, and only one of them may have one: Slurm's job,
// step and task are groups in one another.
double limited_upwards(double bytes, const std::string& mount, const fs::path& group,
                       const char* file) {
  for (fs::path outer = group; outer.has_relative_path(); outer = outer.parent_path())
    bytes = limited(bytes, mount / outer.relative_path() / file);
  return limited(bytes, fs::path{mount} / file);
}

bool lists_memory(const std::string& controllers) {
  return ("," + controllers + ",").find(",memory,") != std::string::npos;
}

Bytes told_memory(const std::string& text) {
  double bytes = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  const bool is_number = problem == std::errc{} && end == text.data() + text.size();
  if (!is_number || !(bytes > 0) || std::isinf(bytes))
    throw InvalidInput{"MOECAL_HOST_MEMORY is \"" + text + "\", not a number of bytes"};
  return Bytes{bytes};
}

}  // namespace

Bytes host_memory(const std::string& root) {
  if (const char* told = std::getenv("MOECAL_HOST_MEMORY")) return told_memory(told);
  const std::string groups = root + "/sys/fs/cgroup";
  double bytes = installed_memory(root);
  std::ifstream file{root + "/proc/self/cgroup"};
  for (std::string line; std::getline(file, line);) {  // number:controllers:path
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const auto group = fs::path{line.substr(second + 1)}.lexically_normal();
    if (controllers.empty()) bytes = limited_upwards(bytes, groups, group, "memory.max");
    if (lists_memory(controllers))
      bytes = limited_upwards(bytes, groups + "/memory", group, "memory.limit_in_bytes");
  }
  return Bytes{bytes};
}

}  // namespace moecal::bench
