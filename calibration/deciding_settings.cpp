// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/deciding_settings.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <tuple>

#include "calibration/series.hpp"

namespace moecal::calibration {
namespace {

constexpr char kUnset[] = "unset", kUnrecorded[] = "unrecorded";
constexpr char kPowerLimit[] = "power_limit_w", kClock[] = "application_sm_clock_mhz",
               kThreads[] = "threads";

template <std::size_t N>
bool starts_with_any(const std::string& name, const std::array<const char*, N>& prefixes) {
  return std::ranges::any_of(prefixes, [&](const char* each) { return name.starts_with(each); });
}

bool decides_communication(const std::string& name) {
  static constexpr std::array<const char*, 5> kLibraries{"NCCL_", "RCCL_", "FI_", "UCX_",
                                                         "OMPI_MCA_"};
  // Where things are and what is logged; and what `moecal measure` sets where ranks share cores.
  static constexpr std::array<const char*, 9> kNotThem{"NCCL_HOSTID",
                                                       "NCCL_DEBUG",
                                                       "NCCL_CONF_FILE",
                                                       "NCCL_TOPO_DUMP_FILE",
                                                       "NCCL_GRAPH_DUMP_FILE",
                                                       "NCCL_SOCKET_IFNAME",
                                                       "NCCL_COMM_ID",
                                                       "OMPI_MCA_mpi_yield_when_idle",
                                                       "OMPI_MCA_hwloc_base_binding"};
  return starts_with_any(name, kLibraries) && !starts_with_any(name, kNotThem);
}

bool decides_cpu_work(const std::string& name) {
  static constexpr std::array<const char*, 3> kLibraries{"OMP_", "DNNL_", "ONEDNN_"};
  return name == kThreads || starts_with_any(name, kLibraries);
}

bool decides_device_work(const std::string& name) { return name == kPowerLimit || name == kClock; }

/// Importers keep the word of their source; a limit of 700 is one of 700.0.
std::string own_name(const std::string& name) {
  return name == "power_limit_watts" ? kPowerLimit : name;
}

std::string own_value(const std::string& name, const std::string& value) {
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (name != kPowerLimit || end == value.c_str() || *end != '\0') return value;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", number);
  return text.data();
}

bool is_variable(const std::string& name) { return !decides_device_work(name) && name != kThreads; }

using Scope = std::tuple<std::string, std::string, std::string, std::string>;

Scope scope_of(const Series& s) {
  return {s.operation, s.card, s.system, s.conditions.implementation};
}

/// Each setting of any, with all that it is; "" where it is not there.
std::map<std::string, std::set<std::string>> values_of(std::span<const SetSeries* const> all) {
  std::map<std::string, std::set<std::string>> values;
  for (const auto* one : all)
    for (const auto& [name, value] : *one->settings) values[name].insert(value);
  for (auto& [name, known] : values)
    for (const auto* one : all)
      if (!one->settings->contains(name)) known.insert("");
  return values;
}

std::string said(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  if (found != settings.end()) return found->second;
  return is_variable(name) ? kUnset : kUnrecorded;
}

}  // namespace

Settings deciding_settings(const Observation& o, const Environment& environment) {
  const bool communicates = is_collective(o.operation) || o.ranks.group > 1;
  const bool computes = !is_collective(o.operation);
  const bool on_cpu = o.backend == "cpu";
  Settings settings;
  for (const auto& [word, value] : environment.settings) {
    const auto name = own_name(word);
    if ((communicates && decides_communication(name)) ||
        (computes && (on_cpu ? decides_cpu_work(name) : decides_device_work(name))))
      settings[name] = own_value(name, value);
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
  std::string text;
  for (const auto& [name, value] : settings) text += (text.empty() ? "" : " ") + name + "=" + value;
  return text;
}

bool are_defaults(const Settings& settings) {
  return std::ranges::all_of(settings, [](const auto& each) { return each.second == kUnset; });
}

}  // namespace moecal::calibration
