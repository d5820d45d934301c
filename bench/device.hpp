// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>

#include "bench/benchmark.hpp"
#include "bench/clock.hpp"
#include "bench/device_watch.hpp"
#include "bench/machine.hpp"
#include "runtime/nvml.hpp"

namespace moecal::bench {

/// The device this rank measures: `choice` is auto (a CUDA device if there is one), cpu or cuda.
/// Rank i of a host gets CUDA device i, which becomes the current one; or the only one it sees,
/// where the launcher gave each rank its own.
/// @throws InvalidInput if cuda is asked for and there is none, or fewer than ranks.
[[nodiscard]] Machine choose_machine(const std::string& choice, int rank_on_host);
/// The number of the device among `devices` that a rank sees. @throws InvalidInput
[[nodiscard]] int device_of(int rank_on_host, int devices);
/// @throws InvalidInput on every rank if two ranks of a host have one CUDA device; an empty bus id
/// is of a CPU. Collective.
void check_own_devices(ControlPlane& world, std::span<const std::string> hosts,
                       const std::string& pci_bus_id);
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
