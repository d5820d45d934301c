// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "cli/compare_notes.hpp"
#include "cli/compare_output.hpp"
#include "cli/compare_summary.hpp"
#include "cli/text_table.hpp"

namespace moecal::cli {
namespace {

using planning::ComparedCall;
using planning::ComparedCard;
using planning::ComparedSide;
using planning::Standing;

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

/// "imported [1][3]"
std::string origin(const ComparedSide& side, CompareNotes& notes) {
  const auto marks = notes.marks(side.prediction->flags);
  return side.prediction->provenance + (marks.empty() ? "" : " " + marks);
}

std::vector<std::string> cells_of(const ComparedCall& call, CompareNotes& notes) {
  const auto time = [](const ComparedSide& side) {
    return three_digits(1e6 * side.prediction->seconds);
  };
  return {call.query.operation,
          call.query.dtype,
          point_text(call.query),
          time(call.first),
          origin(call.first, notes),
          time(call.other),
          origin(call.other, notes),
          three_digits(*call.ratio),
          three_digits(call.interval->lo) + " .. " + three_digits(call.interval->hi),
          std::string{to_string(call.standing)}};
}

/// A table an operation, each as wide as its own calls.
std::string calls_text(const Comparison& comparison, CompareNotes& notes) {
  using enum TextTable::Side;
  const auto& first = comparison.first->card.id;
  const std::vector<TextTable::Column> columns{
      {"operation"},   {"dtype"},
      {"call"},        {first + " us", right},
      {"from"},        {comparison.other->card.id + " us", right},
      {"from"},        {"ratio", right},
      {"90 %", right}, {first + " is"}};
  std::vector<std::pair<std::string, TextTable>> tables;  // by operation, in the calls' order
  for (const auto& call : comparison.calls) {
    if (!call.ratio) continue;
    if (tables.empty() || tables.back().first != call.query.operation)
      tables.emplace_back(call.query.operation, columns);
    tables.back().second.add(cells_of(call, notes));
  }
  std::string text;
  for (const auto& [operation, table] : tables) text += table.text() + "\n";
  return text;
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
    ++reasons[missing.substr(0, missing.find("; there are models"))];
  }
  std::string text;
  for (const auto& [reason, count] : reasons)
    text += format("no comparison of %d calls: ", count) + reason + "\n";
  return text;
}

/// What the pairs of a report share: each of it is said once.
struct Said {
  CompareNotes notes;
  std::set<std::string> unverified;
};

std::string unverified_text(const Comparison& comparison, Said& said) {
  std::string text;
  for (const auto& line : unverified(comparison))
    if (said.unverified.insert(line).second) text += line + "\n";
  return text.empty() ? "" : "\n" + text;
}

std::string pair_text(const CompareReport& report, const Comparison& comparison, Said& said) {
  return comparison.first->card.id + " against " + comparison.other->card.id +
         ": how many times as fast it is, with a 90 % interval\n\n" + summary_text(comparison) +
         unverified_text(comparison, said) + "\n" + calls_text(comparison, said.notes) +
         missing_text(comparison) + not_fitting_text(report, comparison);
}

}  // namespace

std::string compare_text(const CompareReport& report) {
  std::string text;
  Said said;
  for (const auto& comparison : report.comparisons)
    text += (text.empty() ? "" : "\n") + pair_text(report, comparison, said);
  const auto notes = said.notes.text();
  return text + (notes.empty() ? "" : "\nnotes, with the least and the most of their numbers\n") +
         notes;
}

}  // namespace moecal::cli
