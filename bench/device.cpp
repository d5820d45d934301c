// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/device.hpp"

#include <cmath>
#include <cstdlib>

#include "bench/planned_point.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "runtime/device_info.hpp"
#include "runtime/nvml.hpp"

namespace moecal::bench {
namespace {

// A launcher's word for the rank among those of this host; the rank itself where it says nothing.
int local_rank(const ControlPlane& world) {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "LOCAL_RANK", "SLURM_LOCALID"})
    if (const char* value = std::getenv(name)) return std::atoi(value);
  return world.rank();
}

// Nothing of a device that NVML may not show here, as in some containers.
NvmlReading read(const Nvml& nvml, const std::string& pci_bus_id) {
  try {
    return nvml.read(pci_bus_id);
  } catch (const Error&) {
    return {};
  }
}

Machine describe(const CudaDevices& found, int index) {
  const auto& device = found.devices[static_cast<std::size_t>(index)];
  Machine machine;
  machine.device_name = device.name;
  machine.device = index;
  machine.devices = static_cast<int>(found.devices.size());
  machine.memory = device.memory;
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

Machine choose_machine(const std::string& choice, const ControlPlane& world) {
  if (choice == "cpu") return read_cpu();
  const auto found = find_cuda_devices();
  if (found.devices.empty()) {
    if (choice == "cuda") throw InvalidInput{"--device cuda: " + found.reason};
    return read_cpu();
  }
  const int rank = local_rank(world);
  const int count = static_cast<int>(found.devices.size());
  if (rank >= count)
    throw InvalidInput{"rank " + std::to_string(rank) + " of this host has no CUDA device: there " +
                       (count == 1 ? "is 1" : "are " + std::to_string(count)) +
                       "; start at most one rank per device"};
  use_cuda_device(rank);
  return describe(found, rank);
}

DeviceWatch make_device_watch(const Machine& machine, const std::string& library) {
  const auto nvml = machine.device >= 0 ? Nvml::load(library) : std::nullopt;
  if (!nvml || !read(*nvml, machine.pci_bus_id).throttle_reasons) return {};
  return DeviceWatch{[nvml, device = machine.pci_bus_id] { return read(*nvml, device); }};
}

std::unique_ptr<Clock> make_clock(const Implementation& implementation) {
  if (!is_cuda(implementation)) return make_steady_clock();
  if constexpr (build::has_cuda) return make_cuda_event_clock();
  throw Unsupported{"this build has no CUDA"};
}

}  // namespace moecal::bench
