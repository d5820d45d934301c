// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/machine.hpp"

#include <gnu/libc-version.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "bench/host_memory.hpp"
#include "bench/network.hpp"
#include "core/error.hpp"
#include "runtime/hosts.hpp"

namespace moecal::bench {
namespace {

constexpr char kUnknownCpu[] = "unknown CPU";

// The value of "key : value" in a /proc file; empty if there is none.
std::string proc_field(const std::string& path, const std::string& key) {
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (line.rfind(key, 0) != 0 || colon == std::string::npos) continue;
    const auto start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::string first_word(const std::string& path) {
  std::ifstream file{path};
  std::string word;
  file >> word;
  return word;
}

// "32K", "512K", "33M" as /sys writes cache sizes.
double cache_bytes(const std::string& text) {
  std::istringstream stream{text};
  double number = 0;
  char unit = 0;
  stream >> number >> unit;
  return number * (unit == 'M' ? 1 << 20 : unit == 'K' ? 1 << 10 : 1);
}

int usable_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

// Settings that change what is measured. Open MPI also passes its own plumbing to the ranks in
// OMPI_MCA_* variables that differ from launch to launch; only the families a user tunes are kept.
bool is_setting(const std::string& name) {
  static constexpr std::array<const char*, 15> kPrefixes{"NCCL_",
                                                         "FI_",
                                                         "CUDA_VISIBLE_DEVICES",
                                                         "CUDA_DEVICE_MAX_CONNECTIONS",
                                                         "OMP_",
                                                         "DNNL_",
                                                         "ONEDNN_",
                                                         "OMPI_MCA_btl",
                                                         "OMPI_MCA_coll",
                                                         "OMPI_MCA_pml",
                                                         "OMPI_MCA_mpi_",
                                                         "OMPI_MCA_mtl",
                                                         "OMPI_MCA_hwloc_base_binding",
                                                         "OMPI_MCA_osc",
                                                         "UCX_"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](const char* prefix) { return name.rfind(prefix, 0) == 0; });
}

std::vector<std::string> nccl_configuration_files() {
  const char* named = std::getenv("NCCL_CONF_FILE");
  const char* home = std::getenv("HOME");
  std::vector<std::string> files;
  if (named != nullptr && *named != '\0')
    files.emplace_back(named);
  else if (home != nullptr)
    files.push_back(std::string{home} + "/.nccl.conf");
  files.emplace_back("/etc/nccl.conf");
  return files;
}

std::map<std::string, std::string> settings() {
  std::map<std::string, std::string> result{{"threads", std::to_string(usable_threads())}};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text{*entry};
    const auto equals = text.find('=');
    if (is_setting(text.substr(0, equals)))
      result[text.substr(0, equals)] = text.substr(equals + 1);
  }
  // NCCL reads the user's file first, and sets nothing that is set already.
  for (const std::string& path : nccl_configuration_files())
    for (const auto& [name, value] : read_nccl_configuration(path)) result.insert({name, value});
  const auto governor = first_word("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (!governor.empty()) result["cpu_governor"] = governor;
  if (const auto network = network_devices(); !network.empty()) result["network"] = network;
  return result;
}

// A card that moecal knows, or one of that name of which nothing is known.
Card named_card(const std::string& word) {
  try {
    return find_card(word);
  } catch (const InvalidInput&) {
    Card unknown;
    unknown.id = slug(word);
    return unknown;
  }
}

}  // namespace

std::map<std::string, std::string> read_nccl_configuration(const std::string& path) {
  std::map<std::string, std::string> result;
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    const auto equals = line.find('=');
    if (line.empty() || line.front() == '#' || equals == std::string::npos) continue;
    const auto name = line.substr(0, equals);
    if (is_setting(name)) result.insert({name, line.substr(equals + 1)});
  }
  return result;
}

Bytes cpu_last_level_cache(const std::string& sysfs_cpu) {
  double largest = 0;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator{sysfs_cpu + "/cpu0/cache", missing})
    largest = std::max(largest, cache_bytes(first_word(entry.path() / "size")));
  return Bytes{largest > 0 ? largest : 32.0 * (1 << 20)};
}

Machine read_cpu() {
  Machine machine;
  machine.device_name = proc_field("/proc/cpuinfo", "model name");
  if (machine.device_name.empty()) machine.device_name = kUnknownCpu;
  machine.memory = machine.host_memory = host_memory();
  machine.last_level_cache = cpu_last_level_cache();
  return machine;
}

std::optional<Card> own_card(const Machine& machine) {
  if (machine.device_name.empty() || machine.device_name == kUnknownCpu) return std::nullopt;
  if (machine.device < 0) return find_card("cpu-" + slug(machine.device_name));
  try {
    return find_card(machine.device_name);
  } catch (const InvalidInput&) {
    return std::nullopt;
  }
}

// What is measured here would else stand in the record, and be fitted, as another card's.
Card card_of(const Machine& machine, const std::string& users_word) {
  const auto own = own_card(machine);
  if (users_word.empty()) {
    if (own) return *own;
    if (machine.device < 0) return find_card("cpu-unknown");
    throw InvalidInput{"no spec sheet in hardware/ names the device '" + machine.device_name +
                       "'; name it with --card to measure it anyway"};
  }
  const Card named = named_card(users_word);
  if (own && own->id != named.id)
    throw InvalidInput{"--card " + users_word + ": the device is a '" + machine.device_name +
                       "', known as " + own->id + "; leave --card out"};
  return named;
}

Environment make_environment(const Machine& machine, const Card& card) {
  Environment environment;
  environment.device_name = machine.device_name;
  environment.card = card.id;
  environment.system = environment.card;
  if (machine.device >= 0) environment.system += "-" + std::to_string(machine.devices);
  environment.host = host_name();
  environment.driver = machine.driver;
  environment.libraries = machine.libraries;
  environment.libraries["glibc"] = gnu_get_libc_version();
  environment.settings = settings();
  environment.settings.insert(machine.settings.begin(), machine.settings.end());
  if (machine.device >= 0) environment.settings["host_cpu"] = read_cpu().device_name;
  return environment;
}

}  // namespace moecal::bench
