// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "calibration/suggest.hpp"
#include "planning/claims.hpp"

namespace moecal::planning {

/// Everything that claims ask of measurements, whatever anything costs: the calls of their formulas
/// and of their readings, each weighing one a claim.
/// @throws InvalidInput if a formula is wrong, naming the claim and the file.
[[nodiscard]] std::vector<calibration::Wish> wishes_of(const ClaimSet& set,
                                                       const Document& document,
                                                       std::span<const Claim* const> claims);

}  // namespace moecal::planning
