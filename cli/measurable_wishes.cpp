// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measurable_wishes.hpp"

#include <algorithm>
#include <map>

#include "core/card.hpp"
#include "core/collective.hpp"
#include "core/error.hpp"
#include "core/join.hpp"

namespace moecal::cli {
namespace {

/// Of one rank: what is sent and what comes, of which gathers and scatters have one rank's part on
/// one side.
double buffer_bytes(const calibration::Query& query, double bytes) {
  const auto& operation = query.operation;
  if (operation == "broadcast" || operation == "send_recv") return bytes;
  if (operation == "all_gather" || operation == "reduce_scatter")
    return bytes + bytes / query.group;
  return 2 * bytes;
}

/// Empty: it can be made.
std::string why_not(const calibration::Query& query, const Card& card) {
  if (query.tier == "intra" && card.devices_per_node && query.group > card.devices_per_node->value)
    return "a node of " + card.id + " has " + std::to_string(card.devices_per_node->value) +
           " devices: a group of " + std::to_string(query.group) +
           " crosses nodes, which is --tier inter";
  const auto bytes = query.point.find("bytes");
  if (!card.memory || !is_collective(query.operation) || bytes == query.point.end()) return "";
  constexpr double kMostOfMemory = 0.5;  // which a benchmark program takes for buffers
  if (buffer_bytes(query, static_cast<double>(bytes->second)) <=
      kMostOfMemory * card.memory->value.value())
    return "";
  return "its buffers are more than half the memory of " + card.id;
}

int nodes_of(const calibration::Query& query, const Card& card) {
  if (query.nodes != 0 || query.tier != "inter" || !card.devices_per_node) return query.nodes;
  const int per_node = card.devices_per_node->value;
  return std::max(2, (query.group + per_node - 1) / per_node);
}

std::string text_of(const calibration::Query& query) {
  std::string text = query.operation;
  for (const auto& [name, value] : query.point) text += " " + name + "=" + std::to_string(value);
  return query.group > 1 ? text + " over " + std::to_string(query.group) : text;
}

}  // namespace

std::string drop_unmeasurable(std::vector<calibration::Wish>& wishes,
                              std::span<const std::string_view> operations) {
  std::map<std::string, int> dropped;
  std::erase_if(wishes, [&](const calibration::Wish& wish) {
    const bool unknown = std::ranges::find(operations, wish.query.operation) == operations.end();
    if (unknown) ++dropped[wish.query.operation];
    return unknown;
  });
  const auto text = join(dropped, ", ", [](const auto& operation) {
    return operation.first + " (" + std::to_string(operation.second) + ")";
  });
  if (wishes.empty())
    throw InvalidInput{"no benchmark program measures what these claims need: " + text};
  return text;
}

std::vector<DroppedWish> drop_what_does_not_fit(std::vector<calibration::Wish>& wishes,
                                                const std::string& card) {
  const auto& cards = known_cards();
  const auto sheet = std::ranges::find(cards, card, &Card::id);
  if (sheet == cards.end()) return {};
  std::map<std::string, std::string> reasons;  // a call may be wished for by many
  std::erase_if(wishes, [&](const calibration::Wish& wish) {
    const auto reason = why_not(wish.query, *sheet);
    if (!reason.empty()) reasons[text_of(wish.query)] = reason;
    return !reason.empty();
  });
  if (wishes.empty() && !reasons.empty()) throw InvalidInput{reasons.begin()->second};
  for (auto& wish : wishes) wish.query.nodes = nodes_of(wish.query, *sheet);
  std::vector<DroppedWish> dropped;
  for (const auto& [call, reason] : reasons) dropped.push_back({call, reason});
  return dropped;
}

}  // namespace moecal::cli
