// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/device.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <map>

#include "bench/host_memory.hpp"
#include "bench/planned_point.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "runtime/device_info.hpp"
#include "runtime/nvml.hpp"

namespace moecal::bench {
namespace {

// Nothing of a device that NVML may not show here, as in some containers.
template <class Read>
NvmlReading or_nothing(Read&& read) {
  try {
    return read();
  } catch (const Error&) {
    return {};
  }
}

NvmlReading read(const Nvml& nvml, const std::string& pci_bus_id) {
  return or_nothing([&] { return nvml.read(pci_bus_id); });
}

Machine describe(const CudaDevices& found, int index) {
  const auto& device = found.devices[static_cast<std::size_t>(index)];
  Machine machine;
  machine.device_name = device.name;
  machine.device = index;
  machine.devices = static_cast<int>(found.devices.size());
  machine.memory = device.memory;
  machine.host_memory = host_memory();
  machine.last_level_cache = device.l2_cache;
  machine.pci_bus_id = device.pci_bus_id;
  machine.libraries = {{"cuda_driver_api", found.driver_version},
                       {"cuda_runtime", found.runtime_version}};
  if (const auto nvml = Nvml::load()) {
    machine.driver = nvml->driver_version();
    machine.settings = device_settings(*nvml, device.pci_bus_id);
  }
  return machine;
}

}  // namespace

std::map<std::string, std::string> device_settings(const Nvml& nvml,
                                                   const std::string& pci_bus_id) {
  std::map<std::string, std::string> settings;
  const auto add = [&](const char* name, const std::optional<double>& value, double unit) {
    if (value) settings[name] = std::to_string(std::lround(*value / unit));
  };
  add("power_limit_w", read(nvml, pci_bus_id).power_limit_w, 1);
  try {
    const auto clocks = nvml.clocks(pci_bus_id);
    add("largest_sm_clock_mhz", clocks.largest_sm_hz, 1e6);
    add("largest_memory_clock_mhz", clocks.largest_memory_hz, 1e6);
    add("application_sm_clock_mhz", clocks.application_sm_hz, 1e6);
  } catch (const Error&) {  // a device that NVML may not show here
  }
  return settings;
}

int device_of(int rank_on_host, int devices) {
  if (devices == 1) return 0;
  if (rank_on_host < devices) return rank_on_host;
  throw InvalidInput{"rank " + std::to_string(rank_on_host) +
                     " of this host has no CUDA device: there are " + std::to_string(devices) +
                     "; start at most one rank per device"};
}

void check_own_devices(ControlPlane& world, std::span<const std::string> hosts,
                       const std::string& pci_bus_id) {
  std::map<std::string, int> owners;  // by host and device
  std::string problem;
  for (int rank = 0; rank < world.size(); ++rank) {
    std::array<char, 64> device{};
    std::copy_n(pci_bus_id.begin(), std::min(pci_bus_id.size(), device.size() - 1), device.begin());
    world.broadcast(device, rank);
    if (device[0] == '\0') continue;
    const std::string& host = hosts[static_cast<std::size_t>(rank)];
    const auto [owner, first] = owners.emplace(host + " " + device.data(), rank);
    if (!first && problem.empty())
      problem = "ranks " + std::to_string(owner->second) + " and " + std::to_string(rank) + " on " +
                host + " have one CUDA device, " + device.data() +
                ": start at most one rank per device, each with one of its own";
  }
  if (!problem.empty()) throw InvalidInput{problem};
}

Machine choose_machine(const std::string& choice, int rank_on_host) {
  if (choice == "cpu") return read_cpu();
  const auto found = find_cuda_devices();
  if (found.devices.empty()) {
    if (choice == "cuda") throw InvalidInput{"--device cuda: " + found.reason};
    return read_cpu();
  }
  const int device = device_of(rank_on_host, static_cast<int>(found.devices.size()));
  use_cuda_device(device);
  return describe(found, device);
}

DeviceWatch make_device_watch(const Machine& machine, const std::string& library) {
  if (machine.device < 0) return {};
  const auto& device = machine.pci_bus_id;
  const auto nvml = Nvml::load(library);
  if (!nvml) {
    std::cerr << "moecal: NVML (" << library << ") cannot be used here: the records say nothing of "
              << "clocks, power and throttling of " << device << "\n";
    return {};
  }
  const auto missing = missing_in(read(*nvml, device));
  if (!missing.empty())
    std::cerr << "moecal: NVML does not tell of " << device << ": " << missing
              << "; it is missing in the records\n";
  if (missing == missing_in({})) return {};
  return DeviceWatch{
      [nvml, device] { return or_nothing([&] { return nvml->read_state(device); }); },
      [nvml, device] { return read(*nvml, device); }};
}

std::unique_ptr<Clock> make_clock(const Implementation& implementation) {
  if (!is_cuda(implementation)) return make_steady_clock();
  if constexpr (build::has_cuda) return make_cuda_event_clock();
  throw Unsupported{"this build has no CUDA"};
}

}  // namespace moecal::bench
