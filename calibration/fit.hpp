// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/series.hpp"
#include "core/card.hpp"

namespace moecal::calibration {

struct FitOptions {
  bool compact = false;  // leave the point tables out, and name the observations by one digest
  // Only models of this card; empty: of all. The files' other cards still tell joint models what
  // groups cost that this one was not measured over.
  std::string card{};
  std::string source{};  // goes into the file: where the observations came from
  std::string commit{};  // of this moecal
  std::vector<Card>
      cards{};      // nominal figures; a card that is not here is fitted to observed rates
  int threads = 0;  // 0: one a core; the result does not depend on them
};

/// Figures of a series that were given twice, and are counted once.
struct GivenTwice {
  std::string series;
  Duplicate duplicate;
};

/// Repeats of one run or file that differ by more than noise does.
struct Disagreement {
  std::string series;
  double spread = 0;  // standard deviation of log time at the median repeated point
};

/// Places of a series where a run lies off, and most agree.
struct DifferingRuns {
  std::string series;
  int places = 0;  // of the series
  std::vector<RunException> exceptions;
};

struct FitReport {
  ObservationCounts counts;
  std::vector<LeftOut> left_out;
  std::vector<GivenTwice> given_twice{};
  std::vector<ConflictingClaim> conflicts{};
  std::vector<Disagreement> disagreements{};
  std::vector<DifferingRuns> differing_runs{};
  std::vector<std::string> without_release{};  // series that the drift between releases leaves out
  std::map<std::string, std::vector<MeasuredCall>> calls{};  // of layers and exchanges, by model id
  int series = 0, points = 0;  // that have a model; each once, however many forms it has
};

struct FitResult {
  Coefficients coefficients;
  FitReport report;
};

/// Observations in, coefficients out: a pure function, the same bytes for the same input. Forms are
/// chosen by held-out error, inside each training fold too; interval half-widths come from held-out
/// points only.
/// @throws InvalidInput if there is nothing to fit.
[[nodiscard]] FitResult fit(std::span<const ObservationFile> files, const FitOptions& options);

}  // namespace moecal::calibration
