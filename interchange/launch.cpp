// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/launch.hpp"

#include <algorithm>
#include <regex>

#include "interchange/text_search.hpp"

namespace moecal::interchange {
namespace {

/// As an int; what is larger than one stays larger than any system.
int saturated(std::int64_t number) {
  return static_cast<int>(std::clamp<std::int64_t>(number, -1, std::int64_t{kMostRanks} + 1));
}

/// What srun calls nodes with -N, Open MPI calls processes per node.
LaunchLine read_mpirun(const std::string& options, std::optional<int> processes) {
  auto per_node = option_value(options, R"( --?(?:N|npernode|ppn|perhost)[= ](\d+))");
  if (!per_node) per_node = option_value(options, R"( --?map-by[= ]ppr:(\d+):node)");
  if (!per_node && options.find(" -pernode ") != std::string::npos) per_node = 1;
  LaunchLine launch{processes, {}};
  if (processes && per_node && *per_node > 0)
    launch.nodes = (*processes + *per_node - 1) / *per_node;
  return launch;
}

LaunchLine read_srun(const std::string& options, std::optional<int> processes) {
  LaunchLine launch{processes, option_value(options, R"( (?:--nodes[= ]|-N ?)(\d+))")};
  const auto per_node = option_value(options, R"( --ntasks-per-node[= ](\d+))");
  if (!processes && per_node && launch.nodes)
    launch.processes = saturated(std::int64_t{*per_node} * *launch.nodes);
  return launch;
}

}  // namespace

std::optional<Launch> launch_of_options(const ImportOptions& options) {
  if (!options.ranks) return std::nullopt;
  Launch launch;
  launch.known_from = "--ranks";
  launch.ranks.group = *options.ranks;
  return launch;
}

std::optional<int> nodes_of_options(const Launch& launch, const ImportOptions& options) {
  if (launch.of_program && options.nodes > launch.ranks.group) return std::nullopt;
  return options.nodes;
}

Launch launch_of(std::int64_t ranks, const std::string& known_from) {
  Launch launch;
  launch.known_from = known_from;
  launch.ranks.group = saturated(ranks);
  return launch;
}

std::string why_no_launch(const Launch& launch, const ImportOptions& options) {
  const int ranks = launch.ranks.group;
  const auto named = [](int number, const char* what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
  };
  if (ranks < 1) return launch.known_from + " gives " + named(ranks, "rank") + ": no run has those";
  if (ranks > kMostRanks)
    return launch.known_from + " gives more than " + named(kMostRanks, "rank") +
           ": no system has those";
  const auto given = nodes_of_options(launch, options);
  const int nodes = given.value_or(launch.ranks.nodes);
  if (nodes >= 1 && nodes <= ranks) return "";
  return (given ? "--nodes" : launch.known_from) + " gives " + named(nodes, "node") + " for " +
         named(ranks, "rank") + ": no node can be without one";
}

LaunchLine read_launch_line(const std::string& line) {
  static const std::regex kLauncher{R"(\b(mpirun|mpiexec|srun)[^ ]* (.*))"};
  std::smatch match;
  const auto holds = [&line](const char* word) { return line.find(word) != std::string::npos; };
  if (!holds("mpirun") && !holds("mpiexec") && !holds("srun")) return {};
  if (!std::regex_search(line, match, kLauncher)) return {};
  const std::string options = " " + match[2].str().substr(0, match[2].str().find("_perf"));
  const auto processes = option_value(options, R"( (?:-np|--np|-n|--ntasks)[= ]?(\d+))");
  return match[1] == "srun" ? read_srun(options, processes) : read_mpirun(options, processes);
}

void complete(Launch& launch, const Card& card, const ImportOptions& options) {
  if (const auto problem = why_no_launch(launch, options); !problem.empty())
    throw InvalidInput{problem};
  auto& ranks = launch.ranks;
  const int per_node = launch.devices_per_node > 0 ? launch.devices_per_node
                       : card.devices_per_node     ? card.devices_per_node->value
                                                   : ranks.group;
  const int needed = 1 + (ranks.group - 1) / per_node;
  const auto given = nodes_of_options(launch, options);
  launch.nodes_assumed = !launch.nodes_known && !given;
  ranks.nodes = given.value_or(launch.nodes_known ? ranks.nodes : std::max(needed, ranks.nodes));
  ranks.world = std::max(ranks.world, ranks.group);
  ranks.tier = ranks.nodes > 1 ? "inter" : "intra";
  if (launch.devices_per_node == 0) launch.devices_per_node = 1 + (ranks.group - 1) / ranks.nodes;
}

}  // namespace moecal::interchange
