// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/deciding_settings.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <tuple>

#include "calibration/number_list.hpp"
#include "calibration/series.hpp"
#include "core/join.hpp"

namespace moecal::calibration {
namespace {

constexpr char kUnset[] = "unset", kUnrecorded[] = "unrecorded";
constexpr char kPowerLimit[] = "power_limit_w", kClock[] = "application_sm_clock_mhz",
               kThreads[] = "threads", kHostId[] = "NCCL_HOSTID";

template <std::size_t N>
bool starts_with_any(const std::string& name, const std::array<const char*, N>& prefixes) {
  return std::ranges::any_of(prefixes, [&](const char* each) { return name.starts_with(each); });
}

/// Of NCCL and RCCL, which name alike: what chooses how and over what bytes go. Not what is where,
/// what is logged, or which version an image was built with.
bool decides_transfer(const std::string& name) {
  static constexpr std::array<const char*, 56> kWords{
      "ALGO",    "PROTO",       "BUFFSIZE",   "NTHREADS",  "P2P_",       "SHM_",
      "NET",     "IB_",         "NVLS",       "CUMEM",     "COLLNET",    "CROSS_NIC",
      "SOCKET_", "NSOCKS_",     "PXN",        "MAX_",      "MIN_",       "CTA_",
      "CGA_",    "NCHANNELS",   "LL_",        "LL128_",    "THREAD_",    "SINGLE_RING",
      "RINGS",   "TREE_",       "PAT_",       "GRAPH_",    "TOPO_FILE",  "TUNER_",
      "MNNVL_",  "NVB_",        "NVLINK_",    "DMABUF_",   "GDR",        "LAUNCH_",
      "LOCAL_",  "WIN_",        "SYM_",       "LSA_",      "GIN_",       "CHUNK_",
      "LEGACY_", "WORK_",       "PROXY_",     "PROGRESS_", "IGNORE_CPU", "IGNORE_DISABLED_P2P",
      "MULTI_",  "SINGLE_PROC", "ALLGATHERV", "ALLOC_P2P", "L1_SHARED",  "MEM_SYNC",
      "UNPACK_", "MSCCL"};
  static constexpr std::array<const char*, 4> kNotThem{"SOCKET_IFNAME", "SOCKET_FAMILY",
                                                       "GRAPH_DUMP", "PROXY_DUMP"};
  const auto word = name.substr(5);
  return name == kHostId || (starts_with_any(word, kWords) && !starts_with_any(word, kNotThem));
}

bool decides_communication(const std::string& name) {
  if (name.starts_with("NCCL_") || name.starts_with("RCCL_")) return decides_transfer(name);
  static constexpr std::array<const char*, 3> kLibraries{"FI_", "UCX_", "OMPI_MCA_"};
  // Where things are and what is logged; and what `moecal measure` sets where ranks share cores.
  static constexpr std::array<const char*, 18> kNotThem{"FI_LOG_",
                                                        "FI_PROVIDER_PATH",
                                                        "FI_VERSION",
                                                        "UCX_LOG_",
                                                        "UCX_WARN_",
                                                        "UCX_STATS_",
                                                        "UCX_ERROR_",
                                                        "UCX_HANDLE_ERRORS",
                                                        "UCX_MODULE_",
                                                        "UCX_CONFIG_",
                                                        "UCX_VFS_",
                                                        "UCX_VERSION",
                                                        "UCX_HOME",
                                                        "UCX_ROOT",
                                                        "UCX_DIR",
                                                        "OMPI_MCA_btl_tcp_if_",
                                                        "OMPI_MCA_mpi_yield_when_idle",
                                                        "OMPI_MCA_hwloc_base_binding"};
  return starts_with_any(name, kLibraries) && !starts_with_any(name, kNotThem);
}

bool decides_cpu_work(const std::string& name) {
  static constexpr std::array<const char*, 3> kLibraries{"OMP_", "DNNL_", "ONEDNN_"};
  static constexpr std::array<const char*, 4> kNotThem{"OMP_DISPLAY_", "OMP_TOOL", "DNNL_VERBOSE",
                                                       "ONEDNN_VERBOSE"};
  return name == kThreads ||
         (starts_with_any(name, kLibraries) && !starts_with_any(name, kNotThem));
}

bool decides_device_work(const std::string& name) { return name == kPowerLimit || name == kClock; }

/// The words of tell_apart() for what is not there are no values beside it.
bool says_nothing(const std::string& value) {
  return value.empty() || value == kUnset || value == kUnrecorded;
}

/// Importers keep the word of their source.
std::string own_name(const std::string& name) {
  return name == "power_limit_watts" ? kPowerLimit : name;
}

/// A limit of 700 is one of 700.0. Ranks that go by names of their own for their hosts may take
/// each other to be on other nodes; which names those are says nothing.
std::string own_value(const std::string& name, const std::string& value) {
  if (name == kHostId) return says_nothing(value) ? value : "set";
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (name != kPowerLimit || end == value.c_str() || *end != '\0') return value;
  return number_text(number);
}

bool is_variable(const std::string& name) { return !decides_device_work(name) && name != kThreads; }

using Scope = std::tuple<std::string, std::string, std::string, std::string>;

Scope scope_of(const Series& s) {
  return {s.operation, s.card, s.system, s.conditions.implementation};
}

/// Each setting of any, with all that it is; "" where a variable is not there, which says that it
/// was unset. A limit that is not there was something that nobody wrote down.
std::map<std::string, std::set<std::string>> values_of(std::span<const SetSeries* const> all) {
  std::map<std::string, std::set<std::string>> values;
  for (const auto* one : all)
    for (const auto& [name, value] : *one->settings) values[name].insert(value);
  for (auto& [name, known] : values)
    for (const auto* one : all)
      if (is_variable(name) && !one->settings->contains(name)) known.insert("");
  return values;
}

std::string said(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  if (found != settings.end()) return found->second;
  return is_variable(name) ? kUnset : kUnrecorded;
}

}  // namespace

Settings deciding_settings(const Observation& o, const Environment& environment) {
  const bool communicates = is_call_of_system(o.operation) || o.ranks.group > 1;
  const bool computes = !is_call_of_system(o.operation);
  const bool on_cpu = o.backend == "cpu";
  Settings settings;
  for (const auto& [word, value] : environment.settings) {
    if (says_nothing(value)) continue;
    const auto [name, own] = in_own_words(word, value);
    if ((communicates && decides_communication(name)) ||
        (computes && (on_cpu ? decides_cpu_work(name) : decides_device_work(name))))
      settings[name] = own;
  }
  return settings;
}

void tell_apart(std::span<const SetSeries> all) {
  std::map<Scope, std::vector<const SetSeries*>> scopes;
  for (const auto& one : all) scopes[scope_of(*one.series)].push_back(&one);
  for (const auto& [scope, alike] : scopes)
    for (const auto& [name, values] : values_of(alike))
      if (values.size() > 1)
        for (const auto* one : alike)
          one->series->conditions.settings[name] = said(*one->settings, name);
}

std::string settings_text(const Settings& settings) {
  return join(settings, " ",
              [](const Settings::value_type& each) { return each.first + "=" + each.second; });
}

bool is_set_variable(const Settings::value_type& setting) {
  return is_variable(setting.first) && setting.second != kUnset;
}

std::pair<std::string, std::string> in_own_words(const std::string& name,
                                                 const std::string& value) {
  const auto own = own_name(name);
  return {own, own_value(own, value)};
}

bool are_defaults(const Settings& settings) {
  return std::ranges::all_of(settings, [](const auto& each) { return each.second == kUnset; });
}

std::ptrdiff_t unrecorded(const Settings& settings) {
  return std::ranges::count_if(settings,
                               [](const auto& each) { return each.second == kUnrecorded; });
}

bool contradict(const Settings& a, const Settings& b) {
  return std::ranges::any_of(a, [&](const auto& each) {
    const auto found = b.find(each.first);
    return found != b.end() && found->second != each.second && each.second != kUnrecorded &&
           found->second != kUnrecorded;
  });
}

}  // namespace moecal::calibration
