// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/compare_output.hpp"

#include <nlohmann/json.hpp>

namespace moecal::cli {
namespace {

using planning::ComparedCall;
using planning::ComparedCard;
using planning::ComparedSide;
using Json = nlohmann::ordered_json;

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

namespace {

/// Bytes a card lacks for a demand; 0 or less: it fits. Unknown memory lacks nothing.
double lacking(const ComparedCard& card, double bytes) {
  return card.card.memory ? bytes - card.card.memory->value.value() : 0;
}

}  // namespace

std::vector<const planning::MemoryDemand*> too_large(const CompareReport& report,
                                                     const ComparedCard& card) {
  std::vector<const planning::MemoryDemand*> result;
  for (const auto& demand : report.demands)
    if (lacking(card, demand.bytes) > 0) result.push_back(&demand);
  return result;
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
