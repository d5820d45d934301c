// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/series.hpp"

namespace moecal::calibration {

/// One call on one machine, as far as its time is like that of other calls there.
struct Place {
  std::string operation;
  Conditions conditions;
  Family family = Family::memory_bound;
  Inputs inputs;
};

/// Covariance of the log times of two calls on one machine, around a rough first guess
/// (calibration/pooled_curves.hpp). Collectives share a protocol, a link and a launch path, so
/// their curves over size rise and step together: the more so the more of operation, group and
/// dtype they share. GEMMs of near shapes take the same tiles. Calls of different families share
/// nothing.
///
/// The variances and lengths (in doublings) are a choice, made once for all machines; what an
/// interval may claim is calibrated on left-out points afterwards.
[[nodiscard]] double covariance(const Place& a, const Place& b);

/// Variance of the log of one measurement that is repeated in another run: 2.4 %.
inline constexpr double kMeasurementVariance = 6e-4;

}  // namespace moecal::calibration
