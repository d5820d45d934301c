// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/nccl_tests_run.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/collective.hpp"
#include "interchange/collective_facts.hpp"

namespace moecal::interchange {
namespace {

/// The range all rows of the run agree on.
FactorRange factor_range(const NcclTable& table) {
  FactorRange all;
  for (const auto& row : table.rows) {
    if (!row.problem.empty() || row.bytes == 0) continue;
    for (const auto& timing : row.timings) {
      if (!timing.problem.empty() || timing.absent) continue;
      const auto range = factor_range(row.bytes, timing);
      all = {std::max(all.lo, range.lo), std::min(all.hi, range.hi)};
    }
  }
  return all;
}

struct Groups {
  std::map<int, std::vector<NcclDevice>> by_id;
  explicit Groups(const std::vector<NcclDevice>& devices) {
    for (const auto& device : devices) by_id[device.group].push_back(device);
  }
};

std::string placement_of(std::vector<NcclDevice> group) {
  std::sort(group.begin(), group.end(), [](auto& a, auto& b) { return a.rank < b.rank; });
  for (std::size_t i = 1; i < group.size(); ++i)
    if (group[i].rank != group[i - 1].rank + 1) return "strided";
  return "contiguous";
}

/// Ranks of the fullest host; 0 if the list does not tell. Where each process sees only its own GPU
/// they all say "device 0"; where the list is cut short, or has no hosts, device numbers say more.
int devices_per_host(const std::vector<NcclDevice>& devices) {
  std::map<std::string, std::set<int>> ranks;
  int most = 0;
  for (const auto& device : devices) {
    auto& here = ranks[device.host];
    if (!device.host.empty()) here.insert(device.rank);
    most = std::max({most, static_cast<int>(here.size()), device.device + 1});
  }
  const bool silent = most == 1 && devices.size() > 1 && devices.front().host.empty();
  return silent ? 0 : most;
}

/// From "# Rank" lines. Lists people cut short ("Rank 0, Rank 7, Rank 8, Rank 15") count to their
/// highest rank.
Launch launch_of_devices(const NcclTable& table) {
  const Groups groups{table.devices};
  const auto& first = groups.by_id.begin()->second;
  std::set<std::string> hosts;
  int highest = 0;
  for (const auto& device : table.devices) highest = std::max(highest, device.rank);
  for (const auto& device : first) hosts.insert(device.host);
  Launch launch;
  launch.known_from = "device lines";
  launch.ranks.world = highest + 1;
  launch.ranks.concurrent_groups = static_cast<int>(groups.by_id.size());
  launch.ranks.group =
      launch.ranks.concurrent_groups == 1 ? highest + 1 : static_cast<int>(first.size());
  const bool listed =
      launch.ranks.concurrent_groups > 1 || static_cast<int>(first.size()) == highest + 1;
  launch.ranks.placement = listed ? placement_of(first) : "contiguous";
  launch.ranks.nodes = static_cast<int>(hosts.size());
  launch.devices_per_node = devices_per_host(table.devices);
  launch.nodes_known = listed && hosts.count("") == 0;
  return launch;
}

std::optional<Launch> launch_of_command(const NcclTable& table) {
  if (!table.launched_processes) return std::nullopt;
  // Three factors of nine digits: each product is kept within what the next can multiply.
  const auto times = [](std::int64_t product, int factor) {
    return std::min<std::int64_t>(product, kMostRanks + 1) * factor;
  };
  const auto ranks = times(times(*table.launched_processes, table.threads.value_or(1)),
                           table.gpus_per_thread.value_or(1));
  auto launch = launch_of(ranks, "the launch command");
  launch.ranks.nodes = table.launched_nodes.value_or(1);
  launch.nodes_known = table.launched_nodes.has_value();
  return launch;
}

/// One number of ranks explains every row's busbw / algbw, or nothing.
std::optional<Launch> launch_of_rates(const NcclTable& table, const std::string& operation) {
  const auto range = factor_range(table);
  Launch launch;
  launch.known_from = "busbw / algbw";
  launch.ranks.group = 0;
  for (int n = 2; n <= kMostRanks; ++n) {
    if (!range.holds(bus_factor(operation, n))) continue;
    if (launch.ranks.group != 0) return std::nullopt;
    launch.ranks.group = n;
  }
  if (launch.ranks.group == 0) return std::nullopt;
  return launch;
}

/// Only all_reduce moves more than its size, and only the two reductions print one.
std::string operation_of_columns(const NcclTable& table, int ranks) {
  const auto range = factor_range(table);
  if (range.lo > 1.0 + 1e-9 && range.lo < 2.0) return "all_reduce";
  const bool reduces = std::all_of(table.rows.begin(), table.rows.end(), [](const NcclRow& row) {
    return !row.problem.empty() || (!row.redop.empty() && row.redop != "none");
  });
  if (reduces && ranks > 1 && range.holds(bus_factor("reduce_scatter", ranks)) && !range.holds(1.0))
    return "reduce_scatter";
  return "";
}

}  // namespace

FactorRange factor_range(std::int64_t bytes, const NcclTiming& t) {
  const auto [slowest, fastest] = rates_of(bytes, t.microseconds);
  if (!(slowest > 0)) return {};
  return {t.busbw.lo() / fastest, t.busbw.hi() / slowest};
}

std::optional<Launch> find_launch(const NcclTable& table, const std::string& operation,
                                  const ImportOptions& options) {
  auto launch = launch_of_options(options);
  if (!launch && !table.devices.empty()) launch = launch_of_devices(table);
  if (!launch) launch = launch_of_command(table);
  if (!launch && !operation.empty()) launch = launch_of_rates(table, operation);
  return launch;
}

std::string why_mixed(const NcclTable& table, const ImportOptions& options) {
  if (options.ranks) return "";
  std::map<int, std::pair<std::string, int>> processes;
  for (const auto& device : table.devices) {
    const std::pair process{device.host, device.pid};
    if (processes.emplace(device.rank, process).first->second != process)
      return "rank " + std::to_string(device.rank) +
             " is listed more than once: separate runs wrote here at the same time. If each had as "
             "many ranks, say how many with --ranks";
  }
  return "";
}

namespace {

/// What the device lines say against the options. Lists of several runs at once say nothing.
std::string refuted_by_devices(const NcclTable& table, const ImportOptions& options) {
  if (table.devices.empty() || !why_mixed(table, {}).empty()) return "";
  const auto listed = launch_of_devices(table);
  const int ranks = listed.ranks.group, nodes = listed.ranks.nodes;
  // A list may have been cut short at its end: then more ranks took part than it names.
  const bool fewer = options.ranks && *options.ranks < ranks;
  const bool other = options.ranks && listed.ranks.concurrent_groups > 1 && *options.ranks != ranks;
  if (fewer || other)
    return "--ranks " + std::to_string(*options.ranks) + ", but the device lines name " +
           std::to_string(ranks) + " ranks: leave the option out";
  if (options.nodes && listed.nodes_known && *options.nodes != nodes)
    return "--nodes " + std::to_string(*options.nodes) + ", but the device lines name " +
           std::to_string(nodes) + (nodes == 1 ? " host" : " hosts") + ": leave the option out";
  return "";
}

std::string refuted_by_text(const NcclTable& table, const ImportOptions& options) {
  if (options.operation.empty()) return "";
  for (const auto& named : {table.header_operation, table.command_operation})
    if (const auto word = collective_word(named);
        !word.empty() && word != collective_word(options.operation))
      return "--operation " + options.operation + ", but the file says " + named +
             ": leave the option out";
  return "";
}

std::string refuted_by_rows(const NcclTable& table, const std::string& operation, int ranks) {
  if (ranks < 2) return "";
  const double expected = bus_factor(operation, ranks);
  for (const auto& row : table.rows) {
    if (!row.problem.empty() || row.bytes == 0) continue;
    for (const auto& timing : row.timings)
      if (!timing.absent && timing.problem.empty() &&
          !factor_range(row.bytes, timing).holds(expected))
        return "line " + std::to_string(row.line) + " refutes --ranks or --operation: its busbw " +
               "is not that of " + operation + " over " + std::to_string(ranks) + " ranks";
  }
  return "";
}

}  // namespace

std::string why_refuted(const NcclTable& table, const std::string& operation, const Launch& launch,
                        const ImportOptions& options) {
  if (options.nodes && *options.nodes > launch.ranks.group)
    return "--nodes " + std::to_string(*options.nodes) + " for " +
           std::to_string(launch.ranks.group) + " ranks: no node can be without one";
  if (auto problem = refuted_by_devices(table, options); !problem.empty()) return problem;
  if (auto problem = refuted_by_text(table, options); !problem.empty()) return problem;
  if (!options.ranks && options.operation.empty()) return "";
  return refuted_by_rows(table, operation, launch.ranks.group);
}

OperationAnswer find_operation(const NcclTable& table, const std::string& file_name,
                               const ImportOptions& options) {
  const auto answer = [](const std::string& foreign, const char* from) {
    return OperationAnswer{collective_word(foreign), foreign, from};
  };
  if (!options.operation.empty()) return answer(options.operation, "--operation");
  if (!table.header_operation.empty()) return answer(table.header_operation, "the header");
  if (!table.command_operation.empty()) return answer(table.command_operation, "the command line");
  if (table.named.size() == 1) return answer(*table.named.begin(), "the text");
  if (const auto word = collective_named_in(file_name); !word.empty())
    return answer(word, "the file name");
  const auto launch = find_launch(table, "", options);
  return {operation_of_columns(table, launch ? launch->ranks.group : 0), "", "busbw / algbw"};
}

}  // namespace moecal::interchange
