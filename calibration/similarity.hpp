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
/// dtype they share. GEMMs of near shapes take the same tiles. Calls of different families
/// share nothing.
///
/// The variances and lengths (in doublings) are a choice, made once for all machines
/// (results/accuracy/suggest.md); what an interval may claim is calibrated on left-out points
/// afterwards.
[[nodiscard]] double covariance(const Place& a, const Place& b);

/// The same of two points on curves of collectives, for their fit. Near 4 MiB, where protocols
/// change, curves of neighbouring groups may run apart within a doubling; where time is all latency
/// or in proportion to size they hardly do. What only moves bytes does not tell dtypes apart. It
/// predicts left-out points better than covariance(); points chosen by it do not, so that still
/// chooses (results/accuracy/suggest.md).
[[nodiscard]] double covariance_of_curves(const Place& a, const Place& b);

/// Variance of the log of one measurement that is repeated in another run: 2.4 %.
inline constexpr double kMeasurementVariance = 6e-4;

}  // namespace moecal::calibration
