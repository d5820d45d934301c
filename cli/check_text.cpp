// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>

#include "cli/check_output.hpp"
#include "core/join.hpp"
#include "planning/breakdown.hpp"
#include "planning/explain.hpp"

namespace moecal::cli {
namespace {

using namespace planning;

constexpr int kVerdictWidth = 17, kNumberWidth = 12, kIntervalWidth = 24;

std::string words(Verdict verdict) {
  std::string text{to_string(verdict)};
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string number(const std::optional<double>& value) { return value ? number_text(*value) : "-"; }

std::string interval(const std::optional<Interval>& value) {
  return value ? "[" + number_text(value->lo) + ", " + number_text(value->hi) + "]" : "-";
}

std::string lines_of(const std::vector<int>& lines) {
  return (lines.size() == 1 ? "line " : "lines ") + join(lines);
}

std::string document_value(const Claim& claim) {
  const auto& comparison = claim.comparison;
  if (comparison.range)
    return number_text(comparison.range->first) + " to " + number_text(comparison.range->second);
  return (comparison.comparator == "=" ? "" : comparison.comparator + " ") +
         number_text(comparison.value);
}

std::string unit_of(const Claim& claim) { return claim.unit == "1" ? "" : claim.unit; }

std::string short_id(const Claim& claim) { return claim.id.substr(claim.document.size() + 1); }

using Counts = std::map<Verdict, int>;

std::string count_row(const std::string& name, const Counts& counts) {
  std::ostringstream row;
  int total = 0;
  for (const auto& [verdict, count] : counts) total += count;
  row << std::left << std::setw(18) << name << std::right << std::setw(6) << total;
  for (const auto verdict : all_verdicts()) {
    const auto found = counts.find(verdict);
    row << std::setw(static_cast<int>(words(verdict).size()) + 2)
        << (found == counts.end() ? 0 : found->second);
  }
  return row.str() + "\n";
}

std::string count_table(const CheckReport& report) {
  std::string header = "document          claims";
  for (const auto verdict : all_verdicts()) header += "  " + words(verdict);
  std::string table = header + "\n";
  Counts all;
  for (const auto& document : report.documents) {
    Counts counts;
    for (const auto& claim : document.claims) ++counts[claim.verdict], ++all[claim.verdict];
    table += count_row(document.document->slug, counts);
  }
  return report.documents.size() > 1 ? table + count_row("all", all) : table;
}

// Flags without the call they belong to: enough for an overview.
std::string flag_summary(const ReadingResult& reading) {
  std::set<std::string> flags;
  for (const auto& recorded : reading.calls)
    for (const auto& part : recorded.cost.parts) flags.insert(part.flags.begin(), part.flags.end());
  return join(flags, "; ");
}

// What keeps a claim that is otherwise decided from being measured, without the lists of what there
// is instead.
std::string missing_summary(const ClaimResult& result) {
  if (result.verdict == Verdict::unmeasured || result.verdict == Verdict::unfalsifiable) return "";
  std::vector<std::string> clauses;
  for (const auto& missing : result.main.missing)
    clauses.push_back(missing.substr(0, missing.find(';')));
  return join(clauses, "; ");
}

std::string note(const std::string& label, const std::string& text) {
  return text.empty() ? "" : std::string(kVerdictWidth + 4, ' ') + label + text + "\n";
}

std::string claim_row(const ClaimResult& result, int id_width) {
  const Claim& claim = *result.claim;
  std::ostringstream row;
  row << "  " << std::left << std::setw(kVerdictWidth) << words(result.verdict)
      << std::setw(id_width) << short_id(claim) << std::right << std::setw(kNumberWidth)
      << document_value(claim) << std::setw(kNumberWidth) << number(result.main.value)
      << std::setw(kIntervalWidth) << interval(result.main.interval) << std::setw(kNumberWidth)
      << number(result.main.floor) << "  " << std::left << std::setw(18) << unit_of(claim)
      << result.main.provenance << "\n";
  const auto flags = result.main.value ? flag_summary(result.main) : "";
  return row.str() + note("", result.why) + note("not measured: ", missing_summary(result)) +
         note("flags: ", flags);
}

std::string conclusion_rows(const ConclusionResult& result) {
  std::ostringstream rows;
  rows << "  conclusion: " << result.conclusion->statement << " ("
       << lines_of(result.conclusion->lines) << ")\n";
  const auto& unit = result.conclusion->unit;
  for (const auto& one : result.cases) {
    rows << "    " << one.reading << ": ";
    if (one.probability)
      rows << "holds with probability " << number_text(*one.probability) << " ("
           << number(one.winner.value) << " " << interval(one.winner.interval) << " against "
           << number(one.loser.value) << " " << interval(one.loser.interval) << " " << unit << ")";
    else
      rows << "unmeasured; at nominal rates " << number(one.winner.nominal) << " against "
           << number(one.loser.nominal) << " " << unit;
    rows << "\n";
  }
  return rows.str();
}

std::string document_text(const DocumentChecks& document) {
  std::size_t width = 0;
  for (const auto& claim : document.claims) width = std::max(width, short_id(*claim.claim).size());
  const int id_width = static_cast<int>(width) + 2;
  std::ostringstream text;
  text << "\n" << document.document->slug << ": " << document.document->title << "\n";
  for (const auto& conclusion : document.conclusions) text << conclusion_rows(conclusion);
  text << "  " << std::left << std::setw(kVerdictWidth) << "verdict" << std::setw(id_width)
       << "claim" << std::right << std::setw(kNumberWidth) << "document" << std::setw(kNumberWidth)
       << "value" << std::setw(kIntervalWidth) << "90 % interval" << std::setw(kNumberWidth)
       << "floor"
       << "  " << std::left << std::setw(18) << "unit"
       << "provenance\n";
  for (const auto& claim : document.claims) text << claim_row(claim, id_width);
  return text.str();
}

std::string heading(const CheckReport& report) {
  if (report.card.empty())
    return "No card chosen: measured claims stay unmeasured unless the document's own arithmetic "
           "or hardware decides them.\n\n";
  return "Card " + report.card + ", coefficients from " + join(report.coefficients, ", ") + "\n\n";
}

// ---- one claim in full ----------------------------------------------------------------------

std::string item(const std::string& label, const std::string& text) {
  std::ostringstream line;
  line << "  " << std::left << std::setw(13) << label << text << "\n";
  return line.str();
}

// "51 [45, 57] ms, imported", or what stands in for it.
std::string value_text(const ReadingResult& reading, const std::string& unit) {
  if (!reading.value) return "not measured";
  const auto range = reading.interval ? " " + interval(reading.interval) : "";
  return number(reading.value) + range + " " + unit + ", " + reading.provenance;
}

// "floor 31 ms"; of a ratio, which has none, what nominal rates would give.
std::string nominal_text(const ReadingResult& reading, const std::string& unit) {
  if (!reading.nominal) return "";
  return (reading.floor ? "floor " : "at nominal rates ") + number(reading.nominal) + " " + unit;
}

std::string reading_row(const ReadingResult& reading, const std::string& unit) {
  std::string text =
      "    " + reading.name + "\n      " + reading.formula + "\n      " + value_text(reading, unit);
  if (reading.verdict && reading.value) text += ": " + words(*reading.verdict);
  if (const auto bound = nominal_text(reading, unit); !bound.empty()) text += "; " + bound;
  for (const auto& missing : reading.missing) text += "\n      missing: " + missing;
  for (const auto& flag : reading.flags) text += "\n      flag: " + flag;
  return text + "\n";
}

std::string readings_text(const ClaimResult& result) {
  const auto unit = unit_of(*result.claim);
  std::string text;
  if (!result.readings.empty()) text += "  other readings\n";
  for (const auto& reading : result.readings) text += reading_row(reading, unit);
  if (!result.contrasts.empty()) text += "  for contrast (decides nothing)\n";
  for (const auto& contrast : result.contrasts) text += reading_row(contrast, unit);
  return text;
}

std::string findings_text(const ClaimResult& result) {
  std::string text;
  for (const auto& finding : result.findings)
    text += "    " +
            (finding.superseded ? "superseded by the measurement"
                                : (finding.verdict ? words(*finding.verdict) : "possible")) +
            " (" + finding.finding->basis + "): " + explain(finding) + "\n";
  return text.empty() ? "" : "  findings\n" + text;
}

std::string calls_text(const ReadingResult& reading) {
  std::string text;
  for (const auto& recorded : reading.calls) {
    text += "      " + recorded.call.str() + ": ";
    if (recorded.cost.answered())
      text += number_text(recorded.cost.seconds()) + " s each\n";
    else
      text += "missing: " + recorded.cost.missing + "\n";
  }
  return text;
}

std::string share_row(const OperationShare& share) {
  std::ostringstream row;
  row << "    " << std::left << std::setw(18) << share.operation << std::right << std::setw(8)
      << number_text(share.calls) << " calls" << std::setw(12) << number_text(share.seconds) << " s"
      << std::setw(9) << number_text(100 * share.share) << " %";
  if (!share.models.empty()) row << "  " << join(share.models, ", ");
  row << "\n";
  if (!share.flags.empty()) row << "      flags: " << join(share.flags, "; ") << "\n";
  return row.str();
}

std::string breakdown_text(const ClaimResult& result) {
  const auto& reading = result.main;
  if (reading.calls.empty()) return "";
  std::string text = std::string{"  breakdown by operation"} +
                     (reading.interval ? "" : " (at nominal rates)") + "\n";
  for (const auto& share : breakdown(reading, result.claim->unit)) text += share_row(share);
  return text + calls_text(reading);
}

}  // namespace

std::string overview_text(const CheckReport& report) {
  std::string text = heading(report) + count_table(report);
  for (const auto& document : report.documents) text += document_text(document);
  return text;
}

std::string claim_text(const ClaimResult& result, const Document& document) {
  const Claim& claim = *result.claim;
  std::string text = claim.id + ": " + claim.quantity + "\n";
  text += item("document", document_value(claim) + " " + unit_of(claim) + ", tolerance " +
                               number_text(100 * claim.comparison.tolerance) + " % (" +
                               lines_of(claim.lines) + " of " + document.title + ")");
  if (claim.operationalised)
    text += item("", "the document says it in words; the number stands for them");
  text += item("verdict", words(result.verdict));
  text += item("because", result.why);
  if (claim.formula.empty()) return text;
  text += item("value", value_text(result.main, unit_of(claim)));
  if (const auto instead = replacement(result))
    text += item("instead", number_text(instead->value) + " " +
                                (instead->interval ? interval(instead->interval) + " " : "") +
                                unit_of(claim));
  if (result.main.floor)
    text += item("floor", number(result.main.floor) + " " + unit_of(claim));
  else if (result.main.nominal)
    text += item("at nominal", number(result.main.nominal) + " " + unit_of(claim));
  text += item("formula", claim.formula);
  for (const auto& parameter : claim.parameters)
    text += item("  with", parameter.name + " = " + number_text(parameter.value) + " (" +
                               parameter.source + ")");
  for (const auto& assumption : claim.assumptions) text += item("assuming", assumption);
  for (const auto& missing : result.main.missing) text += item("missing", missing);
  for (const auto& flag : result.main.flags) text += item("flag", flag);
  if (!claim.needs.empty()) text += item("needs", join(claim.needs, ", "));
  return text + readings_text(result) + findings_text(result) + breakdown_text(result);
}

}  // namespace moecal::cli
