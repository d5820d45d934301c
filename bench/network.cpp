// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/network.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

#include "core/join.hpp"

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

int number_in(const Path& path) {
  std::ifstream file{path};
  int number = 0;
  file >> number;
  return number;
}

/// A card; a bond of cards; or a device that stands on another one (a VLAN, a container's end of a
/// virtual cable). The host's ends of such cables are members of bridges and come and go.
bool carries_traffic(const Path& device) {
  std::error_code missing;
  const auto has = [&](const char* entry) {
    return std::filesystem::exists(device / entry, missing);
  };
  const int below = number_in(device / "iflink");
  const bool stands_on_another = below > 0 && below != number_in(device / "ifindex");
  return has("device") || has("bonding") || (stands_on_another && !has("master"));
}

std::string ethernet_state(const Path& device) {
  const std::string state = first_line(device / "operstate");
  return state == "down" || state == "lowerlayerdown" ? " (down)" : "";
}

/// "4: ACTIVE" is what needs no mention.
std::string infiniband_state(const Path& device) {
  const std::string state = first_line(device / "ports" / "1" / "state");
  const auto colon = state.find(": ");
  if (colon == std::string::npos || state.substr(colon + 2) == "ACTIVE") return "";
  return " (" + state.substr(colon + 2) + ")";
}

}  // namespace

std::string network_devices(const std::string& sysfs_class) {
  std::map<std::string, std::string> rates;
  for_each_entry(Path{sysfs_class} / "net", [&](const Path& device) {
    if (carries_traffic(device))
      rates[device.filename()] = ethernet_rate(device) + ethernet_state(device);
  });
  for_each_entry(Path{sysfs_class} / "infiniband", [&](const Path& device) {
    rates[device.filename()] = infiniband_rate(device) + infiniband_state(device);
  });
  return join(rates, ", ", [](const auto& device) { return device.first + device.second; });
}

}  // namespace moecal::bench
