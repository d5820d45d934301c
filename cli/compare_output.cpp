// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/compare_output.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "core/join.hpp"

namespace moecal::cli {
namespace {

using planning::ComparedCall;
using planning::ComparedCard;
using planning::ComparedSide;
using planning::MemoryDemand;
using planning::Standing;
using Json = nlohmann::ordered_json;

template <class... Values>
std::string format(const char* pattern, Values... values) {
  std::array<char, 320> text{};
  std::snprintf(text.data(), text.size(), pattern, values...);
  return text.data();
}

/// "m=16 n=28672 k=4096", or bytes in the largest unit that divides them.
std::string point_text(const calibration::Query& query) {
  std::string text;
  for (const char* name : {"m", "n", "k"})
    if (query.point.contains(name))
      text += (text.empty() ? "" : " ") + std::string{name} + "=" +
              std::to_string(query.point.at(name));
  for (const auto& [name, value] : query.point) {
    if (name == "m" || name == "n" || name == "k") continue;
    text += (text.empty() ? "" : " ") + name + "=";
    const bool mebi = name == "bytes" && value >= 1048576 && value % 1048576 == 0;
    const bool kibi = name == "bytes" && value >= 1024 && value % 1024 == 0;
    text += mebi   ? std::to_string(value / 1048576) + "Mi"
            : kibi ? std::to_string(value / 1024) + "Ki"
                   : std::to_string(value);
  }
  if (query.group == 1) return text;
  const auto nodes = query.nodes > 1 ? " on " + std::to_string(query.nodes) + " nodes" : "";
  return std::to_string(query.group) + " ranks" + nodes + ", " + text;
}

/// What the predictions of a table warn of, each warning under one number.
class Legend {
 public:
  /// " [1] [3]": the marks of one row.
  std::string marks(const Comparison& comparison, const ComparedCall& call) {
    std::string text;
    for (const auto* side : {&call.first, &call.other}) {
      const auto& card =
          side == &call.first ? comparison.first->card.id : comparison.other->card.id;
      for (const auto& flag : side->prediction->flags) text += " " + mark(card + ": " + flag);
    }
    return text;
  }

  [[nodiscard]] std::string text() const {
    std::string all;
    for (std::size_t i = 0; i < warnings_.size(); ++i)
      all += "[" + std::to_string(i + 1) + "] " + warnings_[i] + "\n";
    return all;
  }

 private:
  std::string mark(const std::string& warning) {
    const auto found = std::find(warnings_.begin(), warnings_.end(), warning);
    const auto number = found - warnings_.begin() + 1;
    if (found == warnings_.end()) warnings_.push_back(warning);
    return "[" + std::to_string(number) + "]";
  }

  std::vector<std::string> warnings_;
};

std::string row(const ComparedCall& call, const std::string& marks) {
  const auto& mine = *call.first.prediction;
  const auto& theirs = *call.other.prediction;
  return format("%-14s %-8s %-28s %12.2f %-11s %12.2f %-11s %8.2f  %6.2f ..%7.2f  %s",
                call.query.operation.c_str(), call.query.dtype.c_str(),
                point_text(call.query).c_str(), 1e6 * mine.seconds, mine.provenance.c_str(),
                1e6 * theirs.seconds, theirs.provenance.c_str(), *call.ratio, call.interval->lo,
                call.interval->hi, std::string{to_string(call.standing)}.c_str()) +
         marks + "\n";
}

/// Bytes a card lacks for a demand; 0 or less: it fits. Unknown memory lacks nothing.
double lacking(const ComparedCard& card, double bytes) {
  return card.card.memory ? bytes - card.card.memory->value.value() : 0;
}

std::vector<const MemoryDemand*> too_large(const CompareReport& report, const ComparedCard& card) {
  std::vector<const MemoryDemand*> result;
  for (const auto& demand : report.demands)
    if (lacking(card, demand.bytes) > 0) result.push_back(&demand);
  return result;
}

std::string not_fitting_text(const CompareReport& report, const Comparison& comparison) {
  std::string text;
  const auto line = [&](const ComparedCard& card, const std::string& what, double bytes) {
    text += format("does not fit %s (%.0f GB): %s, %.1f GB\n", card.card.id.c_str(),
                   card.card.memory->value.value() / 1e9, what.c_str(), bytes / 1e9);
  };
  for (const auto* card : {comparison.first, comparison.other}) {
    for (const auto* demand : too_large(report, *card))
      line(*card, demand->quantity + " (" + demand->claim + ")", demand->bytes);
    for (const auto& call : comparison.calls)
      if (!(card == comparison.first ? call.first : call.other).fits)
        line(*card, call.query.operation + " " + point_text(call.query), call.device_bytes);
  }
  return text;
}

/// Why calls have no ratio, each reason once.
std::string missing_text(const Comparison& comparison) {
  std::map<std::string, int> reasons;
  for (const auto& call : comparison.calls) {
    if (call.standing != Standing::unknown) continue;
    const auto& missing = call.first.prediction ? call.other.missing : call.first.missing;
    ++reasons[missing.substr(0, missing.find(';'))];
  }
  std::string text;
  for (const auto& [reason, count] : reasons)
    text += format("no comparison of %d calls: ", count) + reason + "\n";
  return text;
}

std::string pair_text(const CompareReport& report, const Comparison& comparison) {
  const auto& first = comparison.first->card.id;
  const auto& other = comparison.other->card.id;
  std::string text =
      first + " against " + other + ": how many times as fast, with a 90 % interval\n\n";
  text += format("%-14s %-8s %-28s %12s %-11s %12s %-11s %8s  %-15s  %s\n", "operation", "dtype",
                 "call", first.c_str(), "us, from", other.c_str(), "us, from", "ratio", "   90 %",
                 (first + " is").c_str());
  Legend legend;
  for (const auto& call : comparison.calls)
    if (call.ratio) text += row(call, legend.marks(comparison, call));
  return text + "\n" + legend.text() + missing_text(comparison) +
         not_fitting_text(report, comparison);
}

Json side_json(const ComparedCard& card, const ComparedSide& side) {
  Json json{{"card", card.card.id}, {"fits", side.fits}};
  if (!side.prediction) {
    json["seconds"] = nullptr;
    json["missing"] = side.missing;
    return json;
  }
  const auto& p = *side.prediction;
  json["seconds"] = p.seconds;
  json["interval_s"] = {p.lo, p.hi};
  json["provenance"] = p.provenance;
  json["model"] = p.model_id;
  json["flags"] = p.flags;
  return json;
}

Json call_json(const Comparison& comparison, const ComparedCall& call) {
  Json json{{"operation", call.query.operation}, {"dtype", call.query.dtype},
            {"group", call.query.group},         {"tier", call.query.tier},
            {"point", call.query.point},         {"device_bytes", call.device_bytes}};
  json["first"] = side_json(*comparison.first, call.first);
  json["other"] = side_json(*comparison.other, call.other);
  json["ratio"] = call.ratio ? Json(*call.ratio) : Json(nullptr);
  json["interval"] = call.ratio ? Json{call.interval->lo, call.interval->hi} : Json(nullptr);
  json["first_is"] = to_string(call.standing);
  return json;
}

Json demands_json(const CompareReport& report, const Comparison& comparison) {
  Json rows = Json::array();
  for (const auto* card : {comparison.first, comparison.other})
    for (const auto* demand : too_large(report, *card))
      rows.push_back({{"card", card->card.id},
                      {"claim", demand->claim},
                      {"quantity", demand->quantity},
                      {"bytes", demand->bytes},
                      {"memory_bytes", card->card.memory->value.value()}});
  return rows;
}

}  // namespace

std::string compare_text(const CompareReport& report) {
  return join(report.comparisons, "\n",
              [&](const auto& comparison) { return pair_text(report, comparison); });
}

std::string compare_json(const CompareReport& report) {
  Json json{{"comparisons", Json::array()}};
  for (const auto& comparison : report.comparisons) {
    Json pair{{"first", comparison.first->card.id},
              {"other", comparison.other->card.id},
              {"calls", Json::array()}};
    for (const auto& call : comparison.calls) pair["calls"].push_back(call_json(comparison, call));
    pair["does_not_fit"] = demands_json(report, comparison);
    json["comparisons"].push_back(std::move(pair));
  }
  return json.dump(1) + "\n";
}

}  // namespace moecal::cli
