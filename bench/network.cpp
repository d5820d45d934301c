// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/network.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

namespace moecal::bench {
namespace {

using Path = std::filesystem::path;

std::string first_line(const Path& path) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  return line;
}

/// Calls `visit` with each entry of a folder that may not be there.
template <class Visit>
void for_each_entry(const Path& folder, const Visit& visit) {
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator{folder, missing})
    visit(entry.path());
}

/// Empty where the kernel knows none: "-1" of a cable that is not plugged in.
std::string ethernet_rate(const Path& device) {
  const std::string rate = first_line(device / "speed");
  return rate.empty() || rate.front() == '-' ? "" : " " + rate + " Mb/s";
}

std::string infiniband_rate(const Path& device) {
  const std::string rate = first_line(device / "ports" / "1" / "rate");
  return rate.empty() ? "" : " " + rate;
}

}  // namespace

std::string network_devices(const std::string& sysfs_class) {
  std::map<std::string, std::string> rates;
  for_each_entry(Path{sysfs_class} / "net", [&](const Path& device) {
    std::error_code missing;
    if (std::filesystem::exists(device / "device", missing))
      rates[device.filename()] = ethernet_rate(device);
  });
  for_each_entry(Path{sysfs_class} / "infiniband",
                 [&](const Path& device) { rates[device.filename()] = infiniband_rate(device); });
  std::string text;
  for (const auto& [name, rate] : rates) text += (text.empty() ? "" : ", ") + name + rate;
  return text;
}

}  // namespace moecal::bench
