// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planning/expression.hpp"
#include "planning/hardware.hpp"

namespace moecal::planning {

inline constexpr char kClaimsSchema[] = "moecal.claims/1";
inline constexpr char kFunctionsSchema[] = "moecal.functions/1";

/// What a quantity is held against: "=", "~", "<", "<=", ">", ">=" or "range".
struct Comparison {
  std::string comparator;
  double value = 0;
  double tolerance = 0;                            // relative
  std::optional<std::pair<double, double>> range;  // of comparator "range"
};

struct Parameter {
  std::string name;
  double value = 0;
  std::string source;        // line of the document, or where else the number is from
  bool placeholder = false;  // stands for a measurement that no cost function covers yet
};

/// One interpretation of an ambiguous claim.
struct Reading {
  std::string name, formula;
};

/// A check of a claim's value that needs no measurement.
///
/// check: arithmetic (recomputed), consistency (against the document's other statements),
/// simulation (seeded), floor (the least that hardware allows), capacity (the most it has),
/// nominal (compared at nominal rates: can support a claim, never contradict it).
/// basis: stated (every input is the document's or the named hardware's), assumed (rests on an
/// input or interpretation it does not state: disagreement leaves the claim ambiguous), fitted (an
/// input was solved from the claim itself: agreement shows nothing).
struct Finding {
  std::string check, basis, formula, unit, note;
  std::optional<std::string> claimed;  // formula of the claim's `value`; absent: the value itself
  Comparison comparison;               // the claim's own unless the finding names another
  bool nominal_hardware = false;       // rests on nominal figures that the document does not state
};

struct Claim {
  std::string id, document, quantity, kind, unit, checkability;
  std::vector<int> lines;
  Comparison comparison;
  bool operationalised = false;  // the document states it in words; the number is ours
  std::string formula;           // empty for an unfalsifiable claim
  std::vector<Parameter> parameters;
  std::vector<std::string> assumptions;
  std::vector<Reading> readings;
  std::vector<Reading> contrasts;  // other situations, shown beside the claim, that decide nothing
  std::vector<Finding> findings;
  std::vector<std::string> needs;  // ids of claims/primitives.json
};

/// Which of two alternatives a document prefers: true if the winner's cost is the smaller.
struct Conclusion {
  struct Case {
    std::string reading, winner, loser;  // formulas
  };
  std::string id, document, statement, unit;
  std::vector<int> lines;
  std::vector<Case> cases;  // the first is the main one
};

struct Document {
  std::string path;  // of the claims file
  std::string slug, title, sha256;
  std::map<std::string, double> constants;
  Hardware hardware;
  std::vector<Claim> claims;
  std::vector<Conclusion> conclusions;
};

/// The documents of a claims folder and the functions their formulas share.
struct ClaimSet {
  std::vector<Document> documents;
  std::vector<DerivedFunction> functions;
};

/// Reads every claims file of a folder, in the order of their names, and functions.json.
/// @throws InvalidInput naming file, claim and field; also on a field that is not known, another
/// schema version and a claim id that occurs twice.
[[nodiscard]] ClaimSet read_claims(const std::string& folder);

}  // namespace moecal::planning
