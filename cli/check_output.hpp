// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "planning/check.hpp"

namespace moecal::cli {

struct DocumentChecks {
  const planning::Document* document = nullptr;
  std::vector<planning::ClaimResult> claims;
  std::vector<planning::ConclusionResult> conclusions;
};

/// Everything one run of `moecal check` found, ready to be written.
struct CheckReport {
  std::string card;                       // empty: none chosen
  std::vector<std::string> coefficients;  // the files they were read from
  std::vector<DocumentChecks> documents;
};

/// Counts per document and verdict, then each claim on a line with its reason under it.
[[nodiscard]] std::string overview_text(const CheckReport& report);
/// One claim in full: formula, readings, findings, breakdown by operation, what is missing.
[[nodiscard]] std::string claim_text(const planning::ClaimResult& result,
                                     const planning::Document& document);
/// {card, claims: [{id, document, verdict, document_value, value, unit, interval, floor,
/// provenance, readings, ...}], conclusions}; null where there is no number.
[[nodiscard]] std::string report_json(const CheckReport& report);

}  // namespace moecal::cli
