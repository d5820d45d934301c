// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <vector>

#include "calibration/repeatability.hpp"

namespace moecal::calibration {

/// A place where most of three runs or more agree and another lies off by more than five standard
/// deviations of what runs lie apart by elsewhere in its size regime, once what each run is shifted
/// by in all of the regime is taken out.
struct RunException {
  RepeatPlace place;
  double times = 1;  // the slowest run's time over the fastest's
};

struct RunComparison {
  VarianceComponents variance;
  std::vector<RunException> exceptions{};
};

/// The number of a place's size regime.
using RegimeOf = std::function<std::size_t(const RepeatPlace&)>;

/// By analysis of variance over all points, in which runs and samples need not be equally many.
/// Samples taken while the device was throttled take no part. Neither do the runs that are
/// exceptions, so that a spike of one of three runs widens no other point's interval. Where no
/// majority agrees, as of two runs, or where a regime has too many spikes to be exceptions or too
/// few places to tell, all take part: the disagreement is the machine's own. Without `regime_of`
/// all places are of one.
[[nodiscard]] RunComparison compare_runs(const Repeats& repeats, const RegimeOf& regime_of = {});

}  // namespace moecal::calibration
