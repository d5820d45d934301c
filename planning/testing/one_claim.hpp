// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "core/error.hpp"
#include "planning/check.hpp"
#include "planning/measured_source.hpp"

/// A claim and its measurements, made up: what the tests of checks start from.
namespace moecal::planning {

/// @throws Error if there is none of this id.
inline const Claim& claim_of(const Document& document, const std::string& id) {
  for (const auto& claim : document.claims)
    if (claim.id == id) return claim;
  throw Error{"no claim " + id};
}

/// A document of one claim, to be changed by each test.
struct OneClaim {
  OneClaim() {
    document.slug = "d";
    document.path = "d.json";
    document.hardware.source = "test card";
    document.hardware.peak_flops["default"] = 1e12;
    document.hardware.links["nvlink"] = 1e9;
    claim.id = "d.a";
    claim.unit = "s";
    claim.checkability = "arithmetic";
    claim.comparison = {"~", 2, 0.1, std::nullopt};
  }
  [[nodiscard]] ClaimResult check(const ChosenCard* card = nullptr) const {
    return check_claim({{document}, {}}, document, claim, card);
  }
  [[nodiscard]] Verdict verdict(const ChosenCard* card = nullptr) const {
    return check(card).verdict;
  }
  void add_finding(const std::string& check, const std::string& basis, const std::string& formula) {
    claim.findings.push_back(
        {check, basis, formula, "s", "", std::nullopt, claim.comparison, false});
  }
  Document document;
  Claim claim;
};

/// Collectives take `rate` seconds per byte with a 90 % interval of x/ 1.1; only groups of 2 exist.
inline MeasuredSource fake_measurements(double rate, double factor = 1.1) {
  return MeasuredSource{[=](const calibration::Query& query) -> calibration::Answer {
    if (query.group != 2) return {std::nullopt, "no model of " + query.operation};
    const double seconds = rate * static_cast<double>(query.point.at("bytes"));
    return {{{seconds,
              seconds / factor,
              seconds * factor,
              "model-" + query.operation,
              "imported",
              {"extrapolated x2"}}},
            ""};
  }};
}

inline ChosenCard card_with(const CostSource& source) {
  ChosenCard card{"test", &source, {}};
  card.hardware.source = "nominal figures of test";
  card.hardware.links["nvlink"] = 4e9;
  return card;
}

}  // namespace moecal::planning
