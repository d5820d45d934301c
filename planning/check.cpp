// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/check.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "planning/explain.hpp"
#include "planning/floor_source.hpp"
#include "planning/propagate.hpp"

namespace moecal::planning {
namespace {

// What the formulas of one claim or conclusion share while they are evaluated.
struct Context {
  const Document& document;
  Names names;
  std::string where;  // file and id, for errors
  std::string unit;   // of the formulas' values
  const ChosenCard* card = nullptr;

  [[nodiscard]] Expression expression(const std::string& formula) const {
    return {formula, names, where};
  }
  // The host is not part of a card: what its spec sheet does not give of it is the document's.
  [[nodiscard]] Hardware nominal(bool measured) const {
    if (!measured || !card) return document.hardware;
    Hardware hardware = card->hardware;
    if (!hardware.host_memory) hardware.host_memory = document.hardware.host_memory;
    return hardware;
  }
};

std::string provenance_of(const std::vector<RecordedCall>& calls) {
  static const std::vector<std::string> kFromBest{"arithmetic", "measured", "imported",
                                                  "transferred", "nominal"};
  std::size_t worst = 0;
  for (const auto& recorded : calls)
    for (const auto& part : recorded.cost.parts) {
      const auto found = std::find(kFromBest.begin(), kFromBest.end(), part.provenance);
      worst = std::max(worst, static_cast<std::size_t>(found - kFromBest.begin()));
    }
  return kFromBest.at(std::min(worst, kFromBest.size() - 1));
}

std::vector<std::string> flags_of(const std::vector<RecordedCall>& calls) {
  std::set<std::string> flags;
  for (const auto& recorded : calls)
    for (const auto& part : recorded.cost.parts)
      for (const auto& flag : part.flags) flags.insert(recorded.call.str() + ": " + flag);
  return {flags.begin(), flags.end()};
}

// What would have to be measured to evaluate these calls.
std::vector<std::string> measurements_of(const std::vector<RecordedCall>& calls) {
  std::vector<std::string> needed;
  for (const auto& recorded : calls) {
    const auto name = recorded.call.str();
    if (std::find(needed.begin(), needed.end(), name) == needed.end()) needed.push_back(name);
  }
  return needed;
}

void predict(ReadingResult& result, const Expression& expression, const ChosenCard& card) {
  auto evaluation = evaluate(expression, *card.costs);
  if (!evaluation.answered()) {
    result.missing = evaluation.missing;
    return;
  }
  result.interval = interval_of(draw_values(expression, evaluation.calls));
  if (!result.interval) {
    result.missing.emplace_back(
        "a narrower interval: within its error, a cost that the formula divides by vanishes");
    return;
  }
  result.value = evaluation.value;
  result.provenance = provenance_of(evaluation.calls);
  result.flags = flags_of(evaluation.calls);
  result.calls = std::move(evaluation.calls);
}

// Nominal rates bound a value from below where it is a time that no cost shortens: of a ratio or a
// difference they say nothing.
bool is_bound(const Evaluation& nominal, const std::string& unit) {
  const double slack = 1e-9 * std::abs(nominal.value);
  return per_second(unit).has_value() &&
         std::all_of(nominal.calls.begin(), nominal.calls.end(),
                     [slack](const RecordedCall& call) { return call.contribution >= -slack; });
}

// A formula of costs: its floor, and its value where measurements (or none) are asked for.
ReadingResult evaluate_reading(const Context& context, const Reading& reading, bool measured) {
  ReadingResult result;
  result.name = reading.name;
  result.formula = reading.formula;
  const auto expression = context.expression(reading.formula);
  auto nominal = evaluate(expression, FloorSource{context.nominal(measured)});
  const bool has_costs = !nominal.calls.empty();
  if (has_costs && nominal.answered()) result.nominal = nominal.value;
  if (result.nominal && is_bound(nominal, context.unit)) result.floor = result.nominal;
  if (has_costs && measured && context.card) {
    predict(result, expression, *context.card);
  } else if (has_costs && measured) {
    result.missing = measurements_of(nominal.calls);
  } else if (nominal.answered()) {
    result.value = nominal.value;
    result.provenance = has_costs ? "nominal" : "arithmetic";
  } else {
    result.missing = nominal.missing;
  }
  if (result.calls.empty()) result.calls = std::move(nominal.calls);
  return result;
}

bool is_prediction(const ReadingResult& reading) { return reading.interval.has_value(); }

void judge(ReadingResult& reading, const Comparison& claimed) {
  if (is_prediction(reading))
    reading.verdict = meets(claimed, *reading.interval) ? Verdict::holds : Verdict::refuted;
  else if (!reading.value)
    reading.verdict = Verdict::unmeasured;
}

std::optional<Verdict> verdict_of(const FindingResult& result) {
  const Finding& finding = *result.finding;
  const bool assumed = finding.basis != "stated";
  if (finding.basis == "fitted") return Verdict::ambiguous;
  if (finding.check == "floor") {
    if (*result.claimed >= result.computed) return std::nullopt;
    return assumed ? Verdict::ambiguous : Verdict::below_floor;
  }
  if (finding.check == "capacity") {
    if (*result.claimed <= result.computed) return Verdict::holds;
    return assumed ? Verdict::ambiguous : Verdict::exceeds_hardware;
  }
  auto comparison = finding.comparison;
  comparison.value = *result.claimed;
  if (agrees(comparison, result.computed)) return Verdict::holds;
  return assumed || finding.check == "nominal" ? Verdict::ambiguous : Verdict::contradicted;
}

FindingResult check_finding(const Context& context, const Claim& claim, const Finding& finding) {
  FindingResult result;
  result.finding = &finding;
  const FloorSource nominal{context.document.hardware};
  const auto evaluation = evaluate(context.expression(finding.formula), nominal);
  if (!evaluation.answered()) context.expression(finding.formula).fail(evaluation.missing.front());
  result.computed = evaluation.value;
  result.claimed = finding.claimed ? evaluate(context.expression(*finding.claimed), nominal).value
                                   : claim.comparison.value;
  result.verdict = verdict_of(result);
  return result;
}

bool has_placeholder(const Claim& claim) {
  return std::any_of(claim.parameters.begin(), claim.parameters.end(),
                     [](const auto& parameter) { return parameter.placeholder; });
}

ReadingResult unmeasured_parameters(const Claim& claim) {
  ReadingResult result;
  result.name = "as formulated";
  result.formula = claim.formula;
  for (const auto& parameter : claim.parameters)
    if (parameter.placeholder) result.missing.push_back(parameter.name + ": " + parameter.source);
  return result;
}

// Where a measurement speaks, what was judged at nominal rates or on an assumed floor is silent.
void supersede(std::vector<FindingResult>& findings) {
  for (auto& result : findings)
    result.superseded = result.finding->check == "nominal" ||
                        (result.finding->check == "floor" && result.finding->basis != "stated");
}

// The verdict of the prediction: of the main formula, or ambiguous where its readings disagree.
std::optional<Verdict> verdict_of_predictions(const ClaimResult& result) {
  if (!is_prediction(result.main)) return std::nullopt;
  for (const auto& reading : result.readings)
    if (is_prediction(reading) && reading.verdict != result.main.verdict) return Verdict::ambiguous;
  return result.main.verdict;
}

// A formula without costs that no finding repeats is itself a check of the value.
std::optional<Verdict> verdict_of_arithmetic(const ClaimResult& result) {
  const Claim& claim = *result.claim;
  if (claim.checkability != "arithmetic" || !result.main.value) return std::nullopt;
  for (const auto& finding : claim.findings)
    if (finding.formula == claim.formula) return std::nullopt;
  if (agrees(claim.comparison, *result.main.value)) return Verdict::holds;
  return claim.readings.empty() ? Verdict::contradicted : Verdict::ambiguous;
}

Verdict overall(const ClaimResult& result) {
  std::optional<Verdict> worst;
  const auto take = [&](const std::optional<Verdict>& verdict) {
    if (verdict && (!worst || *verdict > *worst)) worst = verdict;
  };
  take(verdict_of_predictions(result));
  take(verdict_of_arithmetic(result));
  for (const auto& finding : result.findings)
    if (!finding.superseded) take(finding.verdict);
  return worst.value_or(Verdict::unmeasured);
}

}  // namespace

ClaimResult check_claim(const ClaimSet& set, const Document& document, const Claim& claim,
                        const ChosenCard* card) {
  const Context context{document, names_of(set, document, claim),
                        document.path + ": claim " + claim.id, claim.unit, card};
  const bool measured = claim.checkability == "measured" || claim.checkability == "unfalsifiable";
  ClaimResult result;
  result.claim = &claim;
  if (has_placeholder(claim))
    result.main = unmeasured_parameters(claim);
  else if (!claim.formula.empty())
    result.main = evaluate_reading(context, {"as formulated", claim.formula}, measured);
  for (const auto& reading : claim.readings)
    result.readings.push_back(evaluate_reading(context, reading, measured));
  for (const auto& contrast : claim.contrasts)
    result.contrasts.push_back(evaluate_reading(context, contrast, measured));
  judge(result.main, claim.comparison);
  for (auto& reading : result.readings) judge(reading, claim.comparison);
  for (const auto& finding : claim.findings)
    result.findings.push_back(check_finding(context, claim, finding));
  if (is_prediction(result.main)) supersede(result.findings);
  result.verdict = claim.checkability == "unfalsifiable" ? Verdict::unfalsifiable : overall(result);
  result.why = explain(result);
  return result;
}

ConclusionResult check_conclusion(const ClaimSet& set, const Document& document,
                                  const Conclusion& conclusion, const ChosenCard* card) {
  const Context context{document,
                        {set.functions, document.constants},
                        document.path + ": conclusion " + conclusion.id,
                        conclusion.unit,
                        card};
  ConclusionResult result;
  result.conclusion = &conclusion;
  for (const auto& one : conclusion.cases) {
    ConclusionCaseResult compared;
    compared.reading = one.reading;
    compared.winner = evaluate_reading(context, {"winner", one.winner}, true);
    compared.loser = evaluate_reading(context, {"loser", one.loser}, true);
    if (compared.winner.interval && compared.loser.interval) {
      const auto winner = draw_values(context.expression(one.winner), compared.winner.calls);
      const auto loser = draw_values(context.expression(one.loser), compared.loser.calls);
      int wins = 0;
      for (std::size_t draw = 0; draw < winner.size(); ++draw) wins += winner[draw] < loser[draw];
      compared.probability = static_cast<double>(wins) / static_cast<double>(winner.size());
    }
    result.cases.push_back(std::move(compared));
  }
  return result;
}

}  // namespace moecal::planning
