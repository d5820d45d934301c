// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/array_math.hpp"
#include "calibration/form.hpp"

namespace moecal::calibration {

/// A form whose calls are their sizes, prepared: whoever has these needs no other inputs.
class PreparedCurve : public PreparedForm {
 public:
  /// seconds() of calls of these sizes.
  virtual void seconds_at(const WithLogarithms& sizes, std::span<double> seconds) const = 0;
};

/// The points themselves, joined by a monotone cubic (Fritsch and Carlson 1980) of log time over
/// log size: between two points it never leaves the interval of their times, so a protocol step
/// stays a step. Below the first size the first time holds; past the last the last rate does.
///   table             (B, s)  sizes ascending
///   knots             B       the middles of the gaps in which a protocol switches
///                             (calibration/switches.hpp)
///   last_rate_spread  1       how far the rates of the last three points lie apart (optional)
/// Prepared it is a PreparedCurve.
[[nodiscard]] Form log_log_table_form();

/// The same, but the rows are what all curves of a system together say of this one
/// (calibration/pooled_curves.hpp): its own points were too few.
[[nodiscard]] Form pooled_curve_form();

/// Rows of equal size are medianed. @throws InvalidInput without rows.
[[nodiscard]] Model fit_log_log_table(std::span<const FitPoint> points);

}  // namespace moecal::calibration
