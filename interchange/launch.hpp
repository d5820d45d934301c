// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "core/card.hpp"
#include "core/point.hpp"
#include "interchange/importer.hpp"

/// Which ranks a foreign run was over.
namespace moecal::interchange {

/// No system has more: a larger number is damage, and would not fit the products made of it.
inline constexpr int kMostRanks = 1 << 16;

/// Which ranks took part, and how that is known.
struct Launch {
  Ranks ranks;
  int devices_per_node = 0;  // 0: not said
  std::string known_from;
  bool nodes_known = false;    // ranks.nodes is what the file says
  bool nodes_assumed = false;  // as few as the ranks fit on
  // The program takes no other number of ranks: what the user says of more is of other runs.
  bool of_program = false;
};

/// The ranks that the user gives with --ranks; nothing if they do not.
[[nodiscard]] std::optional<Launch> launch_of_options(const ImportOptions& options);

/// So many ranks, which `known_from` says. Any number is kept, also one that cannot be: whether it
/// can is asked where the launch is used.
[[nodiscard]] Launch launch_of(std::int64_t ranks, const std::string& known_from);

/// The nodes that the user gives for this launch; nothing if they give none, or more than a launch
/// can have of which the program sets the ranks.
[[nodiscard]] std::optional<int> nodes_of_options(const Launch& launch,
                                                  const ImportOptions& options);

/// Why no launch can be so: fewer ranks than one, more than kMostRanks, a node without a rank.
/// Empty if it can.
[[nodiscard]] std::string why_no_launch(const Launch& launch, const ImportOptions& options);

/// What an mpirun, mpiexec or srun line says of processes and nodes.
struct LaunchLine {
  std::optional<int> processes, nodes;
};
[[nodiscard]] LaunchLine read_launch_line(const std::string& line);

/// Fills in nodes, world and tier where only the number of ranks is known. @throws InvalidInput if
/// no launch can be so.
void complete(Launch& launch, const Card& card, const ImportOptions& options);

}  // namespace moecal::interchange
