// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/nvml.hpp"

#include <dlfcn.h>

#include <array>
#include <map>
#include <mutex>
#include <string_view>

#include "core/error.hpp"

namespace moecal {
namespace {

// The part of NVML's C interface that is used, from its public reference manual. Its ABI is stable:
// a changed function gets a new name (_v2).
struct NvmlDeviceHandle;
using Device = NvmlDeviceHandle*;
constexpr int kNvmlSuccess = 0;
constexpr int kSmClock = 1;
constexpr int kMemoryClock = 2;
constexpr int kGpuSensor = 0;

struct ThrottleReason {
  std::uint64_t bit;
  std::string_view name;
  bool throttles;
  bool is_own_limit = false;  // of power, which a card runs at all day
};
constexpr std::array<ThrottleReason, 9> kThrottleReasons{{
    {0x1, "idle", false},
    {0x2, "application clocks", false},
    {0x4, "software power cap", true, true},
    {0x8, "hardware slowdown", true},
    {0x10, "sync boost", true},
    {0x20, "software thermal slowdown", true},
    {0x40, "hardware thermal slowdown", true},
    {0x80, "hardware power brake", true},
    {0x100, "display clocks", false},
}};

template <class Function>
bool resolve(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// A number NVML delivers through an unsigned, in a unit of ours.
template <class Function, class... Arguments>
std::optional<double> read_number(double unit, Function function, Arguments... arguments) {
  unsigned value = 0;
  if (function == nullptr || function(arguments..., &value) != kNvmlSuccess) return std::nullopt;
  return value * unit;
}

}  // namespace

struct Nvml::Library {
  void* handle = nullptr;
  bool started = false;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*device_by_pci)(const char*, Device*) = nullptr;
  int (*clock)(Device, int, unsigned*) = nullptr;
  int (*power)(Device, unsigned*) = nullptr;
  int (*power_limit)(Device, unsigned*) = nullptr;
  int (*temperature)(Device, int, unsigned*) = nullptr;
  int (*reasons)(Device, unsigned long long*) = nullptr;
  // Of newer devices or drivers only: null where the library has none.
  int (*energy)(Device, unsigned long long*) = nullptr;
  int (*largest_clock)(Device, int, unsigned*) = nullptr;
  int (*application_clock)(Device, int, unsigned*) = nullptr;
  int (*driver)(char*, unsigned) = nullptr;
  const char* (*error_string)(int) = nullptr;

  Library() = default;
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (started) shutdown();
    if (handle != nullptr) dlclose(handle);
  }

  bool resolve_all() {
    (void)resolve(handle, "nvmlDeviceGetTotalEnergyConsumption", energy);
    (void)resolve(handle, "nvmlDeviceGetMaxClockInfo", largest_clock);
    (void)resolve(handle, "nvmlDeviceGetApplicationsClock", application_clock);
    // The reasons were renamed in driver 535; the old name still exists and means the same.
    return resolve(handle, "nvmlInit_v2", init) && resolve(handle, "nvmlShutdown", shutdown) &&
           resolve(handle, "nvmlDeviceGetHandleByPciBusId_v2", device_by_pci) &&
           resolve(handle, "nvmlDeviceGetClockInfo", clock) &&
           resolve(handle, "nvmlDeviceGetPowerUsage", power) &&
           resolve(handle, "nvmlDeviceGetEnforcedPowerLimit", power_limit) &&
           resolve(handle, "nvmlDeviceGetTemperature", temperature) &&
           (resolve(handle, "nvmlDeviceGetCurrentClocksEventReasons", reasons) ||
            resolve(handle, "nvmlDeviceGetCurrentClocksThrottleReasons", reasons)) &&
           resolve(handle, "nvmlSystemGetDriverVersion", driver) &&
           resolve(handle, "nvmlErrorString", error_string);
  }

  // Looked up once: a handle is good as long as the library is.
  [[nodiscard]] Device find(const std::string& pci_bus_id) const {
    const std::lock_guard lock{found_mutex};
    const auto known = found.find(pci_bus_id);
    if (known != found.end()) return known->second;
    Device device = nullptr;
    if (const int status = device_by_pci(pci_bus_id.c_str(), &device); status != kNvmlSuccess)
      throw Error{"NVML does not know the device " + pci_bus_id + ": " + error_string(status)};
    found.emplace(pci_bus_id, device);
    return device;
  }

  mutable std::mutex found_mutex;
  mutable std::map<std::string, Device> found;
};

std::optional<Nvml> Nvml::load(const std::string& name) {
  auto library = std::make_shared<Library>();
  library->handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library->handle == nullptr || !library->resolve_all()) return std::nullopt;
  library->started = library->init() == kNvmlSuccess;
  if (!library->started) return std::nullopt;
  return Nvml{std::move(library)};
}

NvmlReading Nvml::read_state(const std::string& pci_bus_id) const {
  const Library& nvml = *library_;
  const Device device = nvml.find(pci_bus_id);
  NvmlReading reading;
  reading.sm_clock_hz = read_number(1e6, nvml.clock, device, kSmClock);
  reading.power_w = read_number(1e-3, nvml.power, device);
  reading.temperature_c = read_number(1.0, nvml.temperature, device, kGpuSensor);
  unsigned long long reasons = 0;
  if (nvml.reasons(device, &reasons) == kNvmlSuccess) reading.throttle_reasons = reasons;
  return reading;
}

NvmlReading Nvml::read(const std::string& pci_bus_id) const {
  const Library& nvml = *library_;
  const Device device = nvml.find(pci_bus_id);
  NvmlReading reading = read_state(pci_bus_id);
  reading.memory_clock_hz = read_number(1e6, nvml.clock, device, kMemoryClock);
  reading.power_limit_w = read_number(1e-3, nvml.power_limit, device);
  unsigned long long millijoules = 0;
  if (nvml.energy != nullptr && nvml.energy(device, &millijoules) == kNvmlSuccess)
    reading.energy_j = static_cast<double>(millijoules) * 1e-3;
  return reading;
}

NvmlClocks Nvml::clocks(const std::string& pci_bus_id) const {
  const Library& nvml = *library_;
  const Device device = nvml.find(pci_bus_id);
  return {read_number(1e6, nvml.largest_clock, device, kSmClock),
          read_number(1e6, nvml.largest_clock, device, kMemoryClock),
          read_number(1e6, nvml.application_clock, device, kSmClock)};
}

std::string Nvml::driver_version() const {
  std::array<char, 96> version{};
  const bool known =
      library_->driver(version.data(), static_cast<unsigned>(version.size() - 1)) == kNvmlSuccess;
  return known ? version.data() : "";
}

bool is_throttled(std::uint64_t reasons) {
  for (const auto& reason : kThrottleReasons)
    if (reason.throttles && (reasons & reason.bit) != 0) return true;
  return false;
}

bool is_power_limited(std::uint64_t reasons) {
  bool limited = false;
  for (const auto& reason : kThrottleReasons) {
    if (!reason.throttles || (reasons & reason.bit) == 0) continue;
    if (!reason.is_own_limit) return false;
    limited = true;
  }
  return limited;
}

std::string throttle_names(std::uint64_t reasons) {
  std::string names;
  for (const auto& reason : kThrottleReasons)
    if ((reasons & reason.bit) != 0)
      names += (names.empty() ? "" : ", ") + std::string{reason.name};
  return names.empty() ? "none" : names;
}

}  // namespace moecal
