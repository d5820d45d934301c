// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "planning/claims.hpp"
#include "planning/evaluate.hpp"
#include "planning/verdict.hpp"

namespace moecal::planning {

/// The card that measured claims are predicted for.
struct ChosenCard {
  std::string id;
  const CostSource* costs = nullptr;  // fitted coefficients
  Hardware hardware;                  // nominal figures, for floors
};

/// One interpretation of a claim, evaluated.
struct ReadingResult {
  std::string name, formula;
  std::optional<double> value;  // absent while a measurement is missing
  std::optional<Interval> interval;
  std::optional<double> nominal;  // at nominal rates; absent where the formula has no costs
  std::optional<double> floor;    // the nominal value, where faster hardware could only lower it
  std::string provenance =
      "none";  // arithmetic | nominal | measured | imported | transferred | none
  std::optional<Verdict> verdict;    // of the value against this reading alone
  std::vector<std::string> missing;  // measurements
  std::vector<std::string> flags;
  std::vector<RecordedCall> calls;  // of the value, or at nominal rates where there is no value
};

struct FindingResult {
  const Finding* finding = nullptr;
  std::optional<double> claimed;  // absent where the finding compares nothing
  double computed = 0;
  std::optional<Verdict> verdict;  // absent: a floor that is kept, which proves nothing
  bool superseded = false;         // by a measurement
};

struct ClaimResult {
  const Claim* claim = nullptr;
  ReadingResult main;
  std::vector<ReadingResult> readings, contrasts;
  std::vector<FindingResult> findings;
  Verdict verdict = Verdict::unmeasured;
  std::string why;  // one line
};

struct ConclusionCaseResult {
  std::string reading;
  std::optional<double> probability;  // that it still holds
  ReadingResult winner, loser;
};

struct ConclusionResult {
  const Conclusion* conclusion = nullptr;
  std::vector<ConclusionCaseResult> cases;
};

/// A claim's verdict is the worst of its prediction's and its findings'. Arithmetic and bounds use
/// the document's own hardware; a card settles measured predictions only.
/// @throws InvalidInput if a formula is wrong, naming the claim and the file.
[[nodiscard]] ClaimResult check_claim(const ClaimSet& set, const Document& document,
                                      const Claim& claim, const ChosenCard* card);
[[nodiscard]] ConclusionResult check_conclusion(const ClaimSet& set, const Document& document,
                                                const Conclusion& conclusion,
                                                const ChosenCard* card);

}  // namespace moecal::planning
