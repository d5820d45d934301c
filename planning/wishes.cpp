// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/wishes.hpp"

#include "planning/evaluate.hpp"
#include "planning/measured_source.hpp"

namespace moecal::planning {
namespace {

/// Answers anything, so that a formula goes on to its next call.
calibration::Answer anything() {
  return {calibration::Prediction{1e-3, 1e-3, 1e-3, "", "", {}}, "", false};
}

}  // namespace

std::vector<calibration::Wish> wishes_of(const ClaimSet& set, const Document& document,
                                         std::span<const Claim* const> claims) {
  std::vector<calibration::Wish> wishes;
  const MeasuredSource recorder{[&](const calibration::Query& query) {
    wishes.push_back({query});
    return anything();
  }};
  for (const auto* claim : claims) {
    const auto names = names_of(set, document, *claim);
    const std::string where = document.path + ": " + claim->id;
    std::vector<std::string> formulas;
    if (!claim->formula.empty()) formulas.push_back(claim->formula);
    for (const auto& reading : claim->readings) formulas.push_back(reading.formula);
    for (const auto& formula : formulas) (void)evaluate({formula, names, where}, recorder);
  }
  return wishes;
}

}  // namespace moecal::planning
