// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "core/card.hpp"
#include "core/point.hpp"
#include "interchange/importer.hpp"

/// Which ranks a foreign run was over.
namespace moecal::interchange {

/// Which ranks took part, and how that is known.
struct Launch {
  Ranks ranks;
  int devices_per_node = 0;  // 0: not said
  std::string known_from;
  bool nodes_known = false;    // ranks.nodes is what the file says
  bool nodes_assumed = false;  // as few as the ranks fit on
};

/// The ranks that the user gives with --ranks; nothing if they do not.
[[nodiscard]] std::optional<Launch> launch_of_options(const ImportOptions& options);

/// So many ranks, which `known_from` says.
[[nodiscard]] Launch launch_of(int ranks, const std::string& known_from);

/// What an mpirun, mpiexec or srun line says of processes and nodes.
struct LaunchLine {
  std::optional<int> processes, nodes;
};
[[nodiscard]] LaunchLine read_launch_line(const std::string& line);

/// Fills in nodes, world and tier where only the number of ranks is known.
void complete(Launch& launch, const Card& card, const ImportOptions& options);

}  // namespace moecal::interchange
