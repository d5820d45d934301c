// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/rank_differences.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <sstream>
#include <vector>

#include "core/json_reader.hpp"
#include "core/observation.hpp"
#include "runtime/every_rank.hpp"

namespace moecal::bench {
namespace {

using Words = std::map<std::string, std::string>;

bool decides_how_ranks_talk(const std::string& setting) {
  static constexpr std::array<const char*, 4> kPrefixes{"NCCL_", "FI_", "UCX_", "OMPI_MCA_"};
  static constexpr std::array<const char*, 4> kOwn{"NCCL_HOSTID", "NCCL_DEBUG", "NCCL_CONF_FILE",
                                                   "NCCL_TOPO_DUMP_FILE"};
  const auto starts = [&](const char* prefix) { return setting.starts_with(prefix); };
  return std::ranges::any_of(kPrefixes, starts) && std::ranges::none_of(kOwn, starts);
}

void add(std::string& text, const std::string& what) { text += (text.empty() ? "" : ", ") + what; }

void compare(std::string& text, const std::string& name, const std::string& own,
             const std::string& first) {
  if (own == first) return;
  add(text, name + " " + (own.empty() ? "unset" : own) +
                " (rank 0: " + (first.empty() ? "unset" : first) + ")");
}

void compare_words(std::string& text, const Words& own, const Words& first,
                   bool (*counts)(const std::string&)) {
  Words names = own;
  names.insert(first.begin(), first.end());
  const auto value = [](const Words& words, const std::string& name) {
    const auto found = words.find(name);
    return found == words.end() ? std::string{} : found->second;
  };
  for (const auto& [name, unused] : names)
    if (counts(name)) compare(text, name, value(own, name), value(first, name));
}

// A text of any length that only `rank` knows.
std::string text_of(ControlPlane& world, std::string text, int rank) {
  const double mine = world.rank() == rank ? static_cast<double>(text.size()) : 0.0;
  text.resize(static_cast<std::size_t>(world.max(mine)));
  if (!text.empty()) world.broadcast(text, rank);
  return text;
}

Environment of_rank_0(ControlPlane& world, const Environment& own) {
  std::istringstream line{text_of(world, to_json_line(own), 0)};
  return read_observations(line, "rank 0's environment").environments.at(0);
}

}  // namespace

std::string differences(const Environment& own, const Environment& first) {
  std::string text;
  compare(text, "card", own.card, first.card);
  compare(text, "driver", own.driver, first.driver);
  compare_words(text, own.libraries, first.libraries, [](const std::string&) { return true; });
  compare_words(text, own.settings, first.settings, decides_how_ranks_talk);
  return text;
}

void compare_ranks(ControlPlane& world, Environment& environment) {
  if (world.size() == 1) return;
  const Environment first = of_rank_0(world, environment);
  on_every_rank(world, [&] {
    if (environment.card != first.card)
      throw InvalidInput{"measures a '" + environment.card + "', rank 0 a '" + first.card +
                         "': start ranks on cards of one kind"};
  });
  const std::string own = differences(environment, first);
  std::string all;
  for (int rank = 0; rank < world.size(); ++rank)
    if (const auto text = text_of(world, own, rank); !text.empty())
      all += (all.empty() ? "" : "; ") + ("rank " + std::to_string(rank)) + ": " + text;
  if (all.empty()) return;
  environment.settings["ranks_differ"] = all;
  if (world.rank() == 0)
    std::cerr << "moecal: the ranks differ, which is recorded: " << all << "\n";
}

}  // namespace moecal::bench
