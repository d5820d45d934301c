// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "calibration/coefficients.hpp"
#include "core/observation.hpp"

namespace moecal::calibration {

/// What tells the calls of one series apart: a point, its routing where that is a number among
/// others to the cost (see takes_routing), and what the ranks of an exchange had.
struct RepeatPlace {
  RepeatPlace(Point at, RoutingConditions routed = {},
              ExchangeLoad loaded = {})  // a point alone is a place
      : point{std::move(at)}, routing{std::move(routed)}, load{loaded} {}
  Point point;
  RoutingConditions routing;
  ExchangeLoad load;
  auto operator<=>(const RepeatPlace&) const = default;
};

/// What was measured at each place of one series. The observations belong to whoever read them.
using Repeats = std::map<RepeatPlace, std::vector<const Observation*>>;

/// The run an observation is of; of an imported one its file, and the run in it.
[[nodiscard]] std::string source_of(const Observation& observation);

/// Standard deviation of log time between repeats of one run or file, at the median of the places
/// that have several; 0 where none has. The samples inside a repeat take no part.
[[nodiscard]] double disagreement_in_runs(const Repeats& repeats);

/// Figures that two sources claim: what was read of the second is not counted.
struct Duplicate {
  std::string kept, dropped;  // sources: a run, or a file that was imported
  int points = 0;
};

/// Drops what was given twice: the same repeat of the same source, and repeats of another source
/// with the same samples at every point both have (three points at least, or three samples each:
/// two can agree by chance), where one of the two was imported. Measured is kept over imported,
/// then the first by name. Of the same repeat given twice, kept and dropped are the same source.
std::vector<Duplicate> drop_duplicates(Repeats& repeats);

}  // namespace moecal::calibration
