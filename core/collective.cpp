// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/collective.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "core/error.hpp"

namespace moecal {
namespace {

constexpr std::array<CollectiveFacts, 7> kCollectives{
    {{"all_reduce", "one rank's buffer", 2, true, true},
     {"all_gather", "what is gathered, the blocks of all ranks", 1, true, false, true},
     {"reduce_scatter", "one rank's whole input, a block for every rank", 1, true, true, true},
     {"all_to_all", "one rank's send buffer, its block for itself included", 1, true, false, true},
     {"all_to_all_v", "", 1, false},  // who has fewer rows is done sooner
     {"broadcast", "the root's buffer", 0, false},
     {"send_recv", "one message", 0, false}}};

}  // namespace

std::span<const CollectiveFacts> collectives() { return kCollectives; }

const CollectiveFacts* find_collective(std::string_view operation) {
  const auto* found = std::ranges::find(kCollectives, operation, &CollectiveFacts::name);
  return found == kCollectives.end() ? nullptr : found;
}

bool is_collective(std::string_view operation) { return find_collective(operation) != nullptr; }

bool adds_elements(std::string_view operation) {
  const auto* facts = find_collective(operation);
  return facts != nullptr && facts->reduces;
}

bool only_moves_bytes(std::string_view operation) {
  const auto* facts = find_collective(operation);
  return facts != nullptr && !facts->reduces;
}

bool has_blocks(std::string_view operation) {
  const auto* facts = find_collective(operation);
  return facts != nullptr && facts->has_blocks;
}

double bus_factor(std::string_view operation, int ranks) {
  if (const CollectiveFacts* facts = find_collective(operation))
    return facts->rounds == 0 ? 1.0 : facts->rounds * (ranks - 1.0) / ranks;
  std::string known;
  for (const auto& facts : kCollectives) known += " " + std::string{facts.name};
  throw InvalidInput{"'" + std::string{operation} + "' is no collective; known:" + known};
}

}  // namespace moecal
