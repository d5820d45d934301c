// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/compare_runs.hpp"
#include "calibration/conflicting_claims.hpp"
#include "calibration/form.hpp"
#include "calibration/repeatability.hpp"
#include "core/observation.hpp"

namespace moecal::calibration {

/// Observations that one model is fitted to: same operation, machine and conditions; points differ.
struct Series {
  std::string operation, card, system;
  Conditions conditions;
  Dtypes dtypes;
  Family family = Family::memory_bound;
  std::vector<FitPoint> points;  // in the order of their inputs; repeats medianed
  std::map<std::string, std::pair<double, double>> validity;  // of the points' named numbers
  std::vector<MeasuredCall> calls;  // where each point was measured, in the points' order
  bool one_size = false;            // every point has one named number: a table can hold the series
  std::vector<std::string> observation_ids;
  int repeated_points = 0;
  double between_run_spread = 0;
  VarianceComponents variance;
  std::vector<RunException> run_exceptions;  // that take no part in `variance`
  double disagreement = 0;            // of repeats inside one run, see Disagreement of fit.hpp
  std::vector<Duplicate> duplicates;  // what was given twice, and is counted once
  int dropped = 0;                    // repeats that were, beyond the first
  bool imported = false;

  /// Unique per series: operation, machine and every condition that is not the default.
  [[nodiscard]] std::string id() const;
};

/// What names the observation in coefficients: its line's digest, computed where none was kept.
[[nodiscard]] std::string digest_of(const Observation& observation);

/// What became of the observations that were read.
struct ObservationCounts {
  int measured = 0, skipped = 0, failed = 0;
  int other_cards = 0;   // measured on a card that was not asked for
  int unusable = 0;      // measured, but without a size: 0 bytes, no rows
  int impossible = 0;    // measured at a point that cannot be: left out, with the reason
  int launch_bound = 0;  // as Observation::is_launch_bound: left out
  int throttled = 0;     // in every sample, by more than the power limit: left out
  int given_twice = 0;   // repeats beyond the first
  // In every sample, by the power limit: kept, since that is what the card sustains.
  int power_limited = 0;
};

/// Why measured observations are not used, after what was said before: "; 2 of other cards; 3
/// without a size". "" if all are; those that cannot be have reasons of their own.
[[nodiscard]] std::string left_out_text(const ObservationCounts& counts);

/// What could not be fitted, and why: a series, or observations that would belong to it.
struct LeftOut {
  std::string series, reason;
};

struct GroupedObservations {
  std::vector<Series> series;  // in the order of their ids
  ObservationCounts counts;
  std::vector<LeftOut> left_out{};  // observations whose cost cannot be said from their point
  std::vector<ConflictingClaim> conflicts{};
};

/// Groups what was measured. `card`: only that one; empty: all. `threads`: 0: one a core.
/// @throws InvalidInput if nothing measured is left, or the card is not in the files (it says which
/// are).
[[nodiscard]] GroupedObservations group_observations(std::span<const ObservationFile> files,
                                                     const std::string& card, int threads = 0);

}  // namespace moecal::calibration
