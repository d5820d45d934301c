// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <string>

#include "core/card.hpp"
#include "core/environment.hpp"
#include "core/units.hpp"

namespace moecal::bench {

/// The device that is measured, as far as measuring has to know it.
struct Machine {
  std::string device_name;                       // as the driver or the CPU says it
  std::string driver;                            // version; empty on a CPU
  std::string pci_bus_id;                        // of a CUDA device
  std::map<std::string, std::string> libraries;  // what drives it: name -> version
  std::map<std::string, std::string> settings;   // of the device: its power limit
  int device = -1;                               // CUDA device of this rank; -1: the CPU
  int devices = 0;                               // CUDA devices of this host
  Bytes memory{};       // of the device, or of the host under its control group's limit
  Bytes host_memory{};  // of the host likewise; 0: not known
  Bytes last_level_cache{};
};

/// What a file of NCCL's settings (lines NAME=VALUE, # for remarks) says; nothing if there is none.
[[nodiscard]] std::map<std::string, std::string> read_nccl_configuration(const std::string& path);

/// The CPU this process runs on.
[[nodiscard]] Machine read_cpu();
/// Size of the largest cache that /sys/devices/system/cpu/cpu0 lists; 32 MiB if it lists none.
[[nodiscard]] Bytes cpu_last_level_cache(const std::string& sysfs_cpu = "/sys/devices/system/cpu");

/// The card the device's own name stands for; nothing if moecal does not know that name.
[[nodiscard]] std::optional<Card> own_card(const Machine& machine);
/// The card this device is: own_card(), else the user's word for it, which moecal need not know.
/// @throws InvalidInput if both are known and differ; for an unknown CUDA device without a word.
[[nodiscard]] Card card_of(const Machine& machine, const std::string& users_word);

/// Where this run is measured. Two runs on one machine
/// with one set of settings get equal environments, so that a run can be resumed.
[[nodiscard]] Environment make_environment(const Machine& machine, const Card& card);

}  // namespace moecal::bench
