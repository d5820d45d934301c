// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/check_output.hpp"
#include "planning/breakdown.hpp"

namespace moecal::cli {
namespace {

using nlohmann::ordered_json;
using namespace planning;

ordered_json number(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json interval(const std::optional<Interval>& value) {
  return value ? ordered_json::array({value->lo, value->hi}) : ordered_json(nullptr);
}

ordered_json verdict(const std::optional<Verdict>& value) {
  return value ? ordered_json(to_string(*value)) : ordered_json(nullptr);
}

ordered_json reading_json(const ReadingResult& reading) {
  return {{"name", reading.name},
          {"formula", reading.formula},
          {"value", number(reading.value)},
          {"interval", interval(reading.interval)},
          {"floor", number(reading.floor)},
          {"provenance", reading.provenance},
          {"verdict", verdict(reading.verdict)},
          {"missing", reading.missing},
          {"flags", reading.flags}};
}

ordered_json readings_json(const std::vector<ReadingResult>& readings) {
  auto list = ordered_json::array();
  for (const auto& reading : readings) list.push_back(reading_json(reading));
  return list;
}

ordered_json findings_json(const ClaimResult& result) {
  auto list = ordered_json::array();
  for (const auto& finding : result.findings)
    list.push_back({{"check", finding.finding->check},
                    {"basis", finding.finding->basis},
                    {"formula", finding.finding->formula},
                    {"claimed", number(finding.claimed)},
                    {"computed", finding.computed},
                    {"unit", finding.finding->unit},
                    {"verdict", verdict(finding.verdict)},
                    {"superseded", finding.superseded}});
  return list;
}

ordered_json breakdown_json(const ReadingResult& reading, const std::string& unit) {
  auto list = ordered_json::array();
  if (!reading.value) return list;
  for (const auto& share : breakdown(reading, unit))
    list.push_back({{"operation", share.operation},
                    {"calls", share.calls},
                    {"seconds", share.seconds},
                    {"share", share.share},
                    {"models", share.models},
                    {"flags", share.flags}});
  return list;
}

ordered_json replacement_json(const ClaimResult& result) {
  const auto instead = replacement(result);
  if (!instead) return nullptr;
  return {{"value", instead->value}, {"interval", interval(instead->interval)}};
}

ordered_json claim_json(const ClaimResult& result) {
  const Claim& claim = *result.claim;
  return {{"id", claim.id},
          {"document", claim.document},
          {"lines", claim.lines},
          {"quantity", claim.quantity},
          {"checkability", claim.checkability},
          {"verdict", to_string(result.verdict)},
          {"why", result.why},
          {"comparator", claim.comparison.comparator},
          {"document_value", claim.comparison.value},
          {"value", number(result.main.value)},
          {"unit", claim.unit},
          {"interval", interval(result.main.interval)},
          {"floor", number(result.main.floor)},
          {"provenance", result.main.provenance},
          {"replacement", replacement_json(result)},
          {"flags", result.main.flags},
          {"missing", result.main.missing},
          {"needs", claim.needs},
          {"readings", readings_json(result.readings)},
          {"contrasts", readings_json(result.contrasts)},
          {"findings", findings_json(result)},
          {"breakdown", breakdown_json(result.main, claim.unit)}};
}

ordered_json conclusion_json(const ConclusionResult& result) {
  auto cases = ordered_json::array();
  for (const auto& one : result.cases)
    cases.push_back({{"reading", one.reading},
                     {"probability", number(one.probability)},
                     {"winner", reading_json(one.winner)},
                     {"loser", reading_json(one.loser)}});
  return {{"id", result.conclusion->id},
          {"document", result.conclusion->document},
          {"statement", result.conclusion->statement},
          {"unit", result.conclusion->unit},
          {"cases", cases}};
}

}  // namespace

std::string report_json(const CheckReport& report) {
  ordered_json json;
  json["card"] = report.card.empty() ? ordered_json(nullptr) : ordered_json(report.card);
  json["coefficients"] = report.coefficients;
  json["claims"] = ordered_json::array();
  json["conclusions"] = ordered_json::array();
  for (const auto& document : report.documents) {
    for (const auto& claim : document.claims) json["claims"].push_back(claim_json(claim));
    for (const auto& conclusion : document.conclusions)
      json["conclusions"].push_back(conclusion_json(conclusion));
  }
  return json.dump(2) + "\n";
}

}  // namespace moecal::cli
