// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "calibration/repeatability.hpp"

namespace moecal::calibration {

/// The same figures stand in two series that differ in nothing but the card or the release: one of
/// the two names is wrong, and nothing in the figures says which. Both are fitted.
struct ConflictingClaim {
  std::string first, second;  // series
  Duplicate figures;
};

/// What one series has read, before anything of it is dropped.
struct ClaimedRepeats {
  std::string series;   // its id
  std::string but_for;  // its id without card, system and release
  const Repeats* repeats = nullptr;
};

/// Of every two series whose ids differ in card, system or release only.
[[nodiscard]] std::vector<ConflictingClaim> conflicting_claims(
    std::span<const ClaimedRepeats> series);

}  // namespace moecal::calibration
