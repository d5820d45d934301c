// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/explain.hpp"

#include <sstream>

namespace moecal::planning {
namespace {

constexpr std::size_t kLongFormula = 60;

std::string with_unit(double value, const std::string& unit) {
  return number_text(value) + (unit == "1" ? "" : " " + unit);
}

std::string shortened(const std::string& formula) {
  return formula.size() <= kLongFormula ? formula : "the formula";
}

std::string comparison_text(const FindingResult& result) {
  const auto& finding = *result.finding;
  if (finding.basis == "fitted" || !result.claimed) return "an input was solved for from the value";
  const auto claimed = with_unit(*result.claimed, finding.unit);
  if (finding.check == "floor")
    return "the document has " + claimed + (result.verdict ? ", which is less" : "");
  if (finding.check == "capacity")
    return "the document needs " + claimed + (result.verdict ? ", which is more" : "");
  const auto& comparator = finding.comparison.comparator;
  if (comparator == "range") {
    const auto& [lo, hi] = *finding.comparison.range;
    return "the document has " + number_text(lo) + " to " + with_unit(hi, finding.unit);
  }
  const bool plain = comparator == "=" || comparator == "~";
  return "the document has " + (plain ? "" : comparator + " ") + claimed;
}

std::string lead(const Finding& finding) {
  if (finding.check == "nominal") return "at nominal rates: ";
  return finding.check + (finding.nominal_hardware ? " of nominal hardware: " : ": ");
}

std::string explain_prediction(const ClaimResult& result) {
  const Claim& claim = *result.claim;
  std::string text = "predicted " + with_unit(*result.main.value, claim.unit) + " [" +
                     number_text(result.main.interval->lo) + ", " +
                     number_text(result.main.interval->hi) + "] from " + result.main.provenance +
                     " times";
  for (const auto& reading : result.readings)
    if (reading.interval && reading.verdict != result.main.verdict)
      return text + "; but " + with_unit(*reading.value, claim.unit) +
             " if read as: " + reading.name;
  return text;
}

std::string explain_missing(const ReadingResult& main) {
  std::string text = "not measured: ";
  for (std::size_t i = 0; i < main.missing.size(); ++i) text += (i ? "; " : "") + main.missing[i];
  return text;
}

}  // namespace

std::string number_text(double value) {
  std::ostringstream text;
  text.precision(5);
  text << value;
  return text.str();
}

std::string explain(const FindingResult& result) {
  const auto& finding = *result.finding;
  const bool is_number = finding.formula == number_text(result.computed);
  std::string text = lead(finding) + (is_number ? "" : shortened(finding.formula) + " = ") +
                     with_unit(result.computed, finding.unit) + ", " + comparison_text(result);
  if (!finding.note.empty()) text += " (" + finding.note + ")";
  return text;
}

std::string explain(const ClaimResult& result) {
  const Claim& claim = *result.claim;
  if (result.verdict == Verdict::unfalsifiable) return "no checkable content";
  for (const auto& finding : result.findings)
    if (!finding.superseded && finding.verdict == result.verdict) return explain(finding);
  if (result.main.interval) return explain_prediction(result);
  if (!result.main.missing.empty()) return explain_missing(result.main);
  for (const auto& finding : result.findings)
    if (!finding.superseded) return explain(finding);
  return result.main.value ? claim.formula + " = " + with_unit(*result.main.value, claim.unit)
                           : "no measurement";
}

}  // namespace moecal::planning
