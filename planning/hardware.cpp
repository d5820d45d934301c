// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/hardware.hpp"

namespace moecal::planning {

Hardware hardware_of(const Card& card) {
  Hardware hardware;
  hardware.source = "nominal figures of " + card.id;
  const std::pair<const char*, const char*> names[] = {
      {"bf16", "bf16"}, {"fp16", "f16"}, {"fp8", "fp8_e4m3"}, {"int8", "int8"}};
  for (const auto& [written, dtype] : names)
    if (const auto peak = card.dense_peak(dtype)) hardware.peak_flops[written] = peak->value();
  if (card.link.rate) hardware.links["nvlink"] = card.link.rate->value.value();
  if (card.nic.rate) {
    const double rate = card.nic.rate->value.value();
    hardware.links["ib"] = hardware.links["link"] = rate;
    if (card.devices_per_node) hardware.links["ib_node"] = rate * card.devices_per_node->value;
  }
  if (card.memory_bandwidth) hardware.memory = card.memory_bandwidth->value.value();
  if (card.pcie.rate) hardware.host_link = card.pcie.rate->value.value();
  return hardware;
}

}  // namespace moecal::planning
