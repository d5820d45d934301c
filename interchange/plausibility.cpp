// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/plausibility.hpp"

#include <cstdio>

#include "core/collective.hpp"

namespace moecal::interchange {
namespace {

// Cards whose last-level cache is not known are taken to have one no larger than this.
constexpr Bytes kLargestCache{256.0 * 1024 * 1024};

/// The rate no product of this dtype can pass. Where the sheet has no peak for the dtype, its
/// highest peak bounds it too: no type is faster than the narrowest one.
std::optional<FlopsPerSecond> highest_rate(const Card& card, const std::string& dtype) {
  if (const auto own = card.bounding_peak(dtype)) return own->rate;
  std::optional<FlopsPerSecond> highest;
  for (const auto& [name, peak] : card.peak)
    if (!highest || peak.value > *highest) highest = peak.value;
  return highest;
}

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

/// Bytes of device memory one rank must touch at least once. The bytes of a copy are read and
/// written; those of a collective are its buffer.
Bytes touched(const Observation& o) {
  const auto moved = o.work.read + o.work.written;
  const bool known = !is_collective(o.operation) && moved > Bytes{0};
  const auto bytes = o.point.find("bytes");
  if (known || bytes == o.point.end()) return moved;
  return Bytes{static_cast<double>(bytes->second)};
}

// In-switch reduction and links counted in one direction explain a factor of two each.
constexpr double kLinkSlack = 4;

/// The rate at which a collective's bytes cross a rank's links, against those links.
std::string why_faster_than_links(const Card& card, const Observation& o, Seconds time) {
  const auto bytes = o.point.find("bytes");
  if (!is_collective(o.operation) || bytes == o.point.end() || !card.link.rate) return "";
  const auto link = card.link.rate->value;
  const auto sent =
      bus_factor(o.operation, o.ranks.group) * Bytes{static_cast<double>(bytes->second)};
  const auto rate = sent / time;
  if (rate <= kLinkSlack * link) return "";
  return rounded(rate.value() / 1e9) + " GB/s (busbw) is more than four times the " +
         rounded(link.value() / 1e9) + " GB/s link of " + card.id;
}

}  // namespace

std::string why_impossible(const Card& card, const Observation& o) {
  const Seconds time{o.seconds()};
  const auto peak = highest_rate(card, o.dtypes.a);
  if (peak && o.work.flops.value() > 0) {
    const auto rate = o.work.flops / time;
    if (rate > kNominalTolerance * *peak)
      return rounded(rate.value() / 1e12) + " TFLOP/s is more than the " +
             rounded(peak->value() / 1e12) + " TFLOP/s dense peak of " + card.id;
  }
  const auto cache = card.last_level_cache ? card.last_level_cache->value : kLargestCache;
  if (card.memory_bandwidth && touched(o) > kOutOfCache * cache) {
    const auto rate = touched(o) / time;
    if (rate > kNominalTolerance * card.memory_bandwidth->value)
      return rounded(rate.value() / 1e9) + " GB/s is more than the " +
             rounded(card.memory_bandwidth->value.value() / 1e9) + " GB/s memory bandwidth of " +
             card.id;
  }
  return why_faster_than_links(card, o, time);
}

Card importing_card(const ImportOptions& options, const std::string& device_name,
                    const FileLine& where) {
  const auto& chosen = options.card;
  if (chosen.empty() && device_name.empty())
    throw InvalidInput{where.str() + ": no line names the device: name it with --card"};
  try {
    return find_card(chosen.empty() ? device_name : chosen);
  } catch (const InvalidInput& error) {
    if (!chosen.empty() && options.unlisted) {
      Card card;
      card.id = slug(chosen);
      card.name = chosen;
      return card;
    }
    const std::string advice =
        chosen.empty() ? ", or choose one with --card"
                       : ", or take the name as it is with --unlisted (no rate is checked then)";
    throw InvalidInput{where.str() + ": " + error.what() + advice};
  }
}

std::string card_named_in(const std::string& prose) {
  const auto words = "-" + slug(prose) + "-";
  std::string found, longest;
  bool several = false;
  for (const auto& card : known_cards()) {
    auto spellings = card.aliases;
    spellings.insert(spellings.end(), {card.id, card.name});
    for (const auto& spelling : spellings) {
      const auto word = slug(spelling);
      if (words.find("-" + word + "-") == std::string::npos || word.size() < longest.size())
        continue;
      several = word.size() == longest.size() && card.id != found;
      longest = word;
      found = card.id;
    }
  }
  return several ? "" : found;
}

std::string system_of(const Card& card, int per_node) {
  const int nominal = card.devices_per_node ? card.devices_per_node->value : 0;
  return card.id + "-" + std::to_string(nominal >= per_node ? nominal : per_node);
}

}  // namespace moecal::interchange
