// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "calibration/repeatability.hpp"

namespace moecal::calibration {

/// A place where a run lies off by more than five standard deviations of what runs lie apart by
/// elsewhere, once what each run is shifted by as a whole is taken out.
struct RunException {
  Point point;
  double times = 1;  // the slowest run's time over the fastest's
};

struct RunComparison {
  VarianceComponents variance;
  std::vector<RunException> exceptions{};
};

/// By analysis of variance over all points, in which runs and samples need not be equally many.
/// Samples taken while the device was throttled take no part. Neither do exceptions, so that a
/// spike that does not come again widens no other point's interval; where they are too many to be
/// that, there are none, and all take part.
[[nodiscard]] RunComparison compare_runs(const Readings& readings);

}  // namespace moecal::calibration
