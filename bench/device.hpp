// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <memory>
#include <string>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"
#include "bench/device_watch.hpp"
#include "bench/machine.hpp"
#include "runtime/nvml.hpp"

namespace moecal::bench {

/// The device this rank measures: `choice` is auto (a CUDA device if there is one), cpu or cuda.
/// Rank i of a host gets CUDA device i, which becomes the current one.
/// @throws InvalidInput if cuda is asked for and there is none, or fewer than ranks.
[[nodiscard]] Machine choose_machine(const std::string& choice, const ControlPlane& world);
/// What a device is set to, as far as NVML says: power limit and clocks. The same at every call, so
/// that a run can be resumed.
[[nodiscard]] std::map<std::string, std::string> device_settings(const Nvml& nvml,
                                                                 const std::string& pci_bus_id);
/// Asks NVML what holds the device back, and its clock, power, temperature and energy. Sees nothing
/// on a CPU, and where NVML is missing or does not say what holds the device back. `library` is for
/// tests.
[[nodiscard]] DeviceWatch make_device_watch(const Machine& machine,
                                            const std::string& library = "libnvidia-ml.so.1");
/// The clock that an implementation's work is timed with.
[[nodiscard]] std::unique_ptr<Clock> make_clock(const Implementation& implementation);

}  // namespace moecal::bench
