// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <string>

#include "core/card.hpp"

namespace moecal::planning {

/// The nominal rates that floors are computed from: a document's own, or a card's.
struct Hardware {
  std::string source;                        // whose figures these are
  std::map<std::string, double> peak_flops;  // FLOP/s by dtype as written; "default" for the rest
  std::map<std::string, double> links;       // bytes/s per direction by tier as written
  std::optional<double> memory;              // bytes/s; absent: GEMM floors count FLOPs only
  std::optional<double> host_link;           // bytes/s per direction
  std::optional<double> host_memory;         // bytes/s, one rank's share
};

/// A card's spec sheet in these terms: nvlink is the link between devices of a node, link and ib
/// one device's share of the network, ib_node the share of a whole node.
[[nodiscard]] Hardware hardware_of(const Card& card);

}  // namespace moecal::planning
