// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "runtime/control_plane.hpp"

namespace moecal {

/// This machine's name, or $MOECAL_NODE: network namespaces that stand for nodes share one name.
[[nodiscard]] std::string host_name();

/// The node of each rank, numbered in the order in which ranks name them: [plane.size()].
/// Collective.
[[nodiscard]] std::vector<int> nodes_of_ranks(ControlPlane& plane);

}  // namespace moecal
