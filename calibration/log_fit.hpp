// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// A positive parameter of a compact form, fitted as its logarithm between two bounds. The prior's
/// pull is far weaker than the points where they speak; it keeps physical what they do not
/// identify.
struct LogParameter {
  std::string_view name, unit;
  double low, high;
  double prior, spread;  // spread of the logarithm
};

/// Log seconds of rows that stay the same while a form is fitted, one a row, and where `slopes` is
/// not empty their derivatives by the parameters' logarithms, row by row.
using LogSecondsOfRows = std::function<void(
    std::span<const double> values, std::span<double> log_seconds, std::span<double> slopes)>;
/// What does not change with the parameters is worked out here, once for all steps of a fit. The
/// points outlive the result.
using PrepareRows = std::function<LogSecondsOfRows(std::span<const FitPoint>)>;

inline constexpr double kPolished = 1e-8;
/// Of fits that only say how far off a form is where it saw nothing: their errors move by less than
/// a ten-thousandth of themselves.
inline constexpr double kPolishedFold = 1e-6;

/// A form's parameters, its equation and where a fit may start.
struct LogFit {
  std::span<const LogParameter> parameters;
  PrepareRows prepare_rows;
  std::vector<std::vector<double>> starts;  // values, not logarithms
  std::size_t most_rows = 2000;             // more do not sharpen the parameters
  std::size_t scout_rows = 250;             // a start is tried on these before all rows polish it
  double settled = kPolished;               // share of the cost at which a step is the last
  bool wants_errors = true;                 // of the parameters; else they are 0
  double least_damping = 1e-12;             // of calibration/least_squares.hpp
};

/// Starts with every parameter at its prior but the first, which is a launch (shares of the least
/// measured time), and the one at `corner`: every choice of both.
struct LaunchesAndCorners {
  std::vector<double> launches, corners;
  std::size_t corner = 0;  // which parameter
};
[[nodiscard]] std::vector<std::vector<double>> starts_of(std::span<const FitPoint> points,
                                                         std::span<const LogParameter> parameters,
                                                         const LaunchesAndCorners& choices);

/// The best of the starts on a few of the rows: where a fit of all begins. Costs of one form's
/// variants compare on the same points.
struct ScoutedLogs {
  std::vector<double> logs;
  double cost = std::numeric_limits<double>::infinity();
};
[[nodiscard]] ScoutedLogs scout_logs(std::span<const FitPoint> points, const LogFit& fit);
/// These values in the place of what a search would find.
[[nodiscard]] ScoutedLogs started_from(std::span<const double> values);

/// Values with standard errors in the order of the parameters, from a robust fit
/// (calibration/least_squares.hpp) of log(predicted / measured).
[[nodiscard]] std::vector<Parameter> fit_logs(std::span<const FitPoint> points, const LogFit& fit,
                                              const ScoutedLogs& scouted);

}  // namespace moecal::calibration
