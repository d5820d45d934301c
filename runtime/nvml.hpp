// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace moecal {

/// What NVML says about a device right now; what a device or driver does not report is empty.
struct NvmlReading {
  std::optional<double> sm_clock_hz{};
  std::optional<double> memory_clock_hz{};
  std::optional<double> power_w{};
  std::optional<double> power_limit_w{};
  std::optional<double> temperature_c{};
  std::optional<std::uint64_t> throttle_reasons{};  // NVML's bit mask; see throttle_names
  std::optional<double> energy_j{};                 // since the driver was loaded
};

/// What a device can be clocked at: the same whenever it is asked.
struct NvmlClocks {
  std::optional<double> largest_sm_hz;
  std::optional<double> largest_memory_hz;
  std::optional<double> application_sm_hz;  // set by an administrator, or the default
};

/// True if a reason in the mask lowers the clock because of power or heat. An idle device and
/// clocks set by an administrator are not throttling.
[[nodiscard]] bool is_throttled(std::uint64_t reasons);
/// True if what lowers the clock is the device's own power limit, and no heat or brake beside it.
[[nodiscard]] bool is_power_limited(std::uint64_t reasons);
/// "software power cap, hardware thermal slowdown"; "none" for an empty mask.
[[nodiscard]] std::string throttle_names(std::uint64_t reasons);

/// NVIDIA's management library, loaded at run time: a build needs neither its header nor the
/// driver, and a machine without it has no readings.
class Nvml {
 public:
  /// Empty if the library is not there, lacks a function or does not start. The path is for tests.
  [[nodiscard]] static std::optional<Nvml> load(const std::string& library = "libnvidia-ml.so.1");

  /// Everything. @throws Error if NVML does not know the device, e.g. "0000:1b:00.0".
  [[nodiscard]] NvmlReading read(const std::string& pci_bus_id) const;
  /// What can change from one batch to the next: clock, power, temperature and throttle reasons.
  /// A query takes the driver from microseconds to a millisecond. @throws Error as read.
  [[nodiscard]] NvmlReading read_state(const std::string& pci_bus_id) const;
  /// @throws Error as read.
  [[nodiscard]] NvmlClocks clocks(const std::string& pci_bus_id) const;
  /// Version of the driver, e.g. 580.65.06; empty if NVML does not say.
  [[nodiscard]] std::string driver_version() const;

 private:
  struct Library;
  explicit Nvml(std::shared_ptr<const Library> library) : library_{std::move(library)} {}
  std::shared_ptr<const Library> library_;
};

}  // namespace moecal
