// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "runtime/control_plane.hpp"

namespace moecal {

/// This machine's name, or $MOECAL_NODE: network namespaces that stand for nodes share one name.
[[nodiscard]] std::string host_name();

/// host_name() of each rank, cut to 255 bytes: [plane.size()]. Collective.
[[nodiscard]] std::vector<std::string> hosts_of_ranks(ControlPlane& plane);
/// How many ranks before this one are on its host.
[[nodiscard]] int rank_on_host(std::span<const std::string> hosts, int rank);

/// The node of each rank, numbered in the order in which ranks name them: [plane.size()].
/// Collective.
[[nodiscard]] std::vector<int> nodes_of_ranks(ControlPlane& plane);

}  // namespace moecal
