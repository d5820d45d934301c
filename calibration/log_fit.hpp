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

/// Log seconds of a call at these parameter values, and where `slopes` is not empty their
/// derivatives by the parameters' logarithms.
using LogSeconds = std::function<double(std::span<const double> values, const Inputs& inputs,
                                        std::span<double> slopes)>;

/// A form's parameters, its equation and where a fit may start.
struct LogFit {
  std::span<const LogParameter> parameters;
  LogSeconds log_seconds;
  std::vector<std::vector<double>> starts;  // values, not logarithms
  std::size_t most_rows = 2000;             // more do not sharpen the parameters
  std::size_t scout_rows = 250;             // a start is tried on these before all rows polish it
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

/// Values with standard errors in the order of the parameters, from a robust fit
/// (calibration/least_squares.hpp) of log(predicted / measured).
[[nodiscard]] std::vector<Parameter> fit_logs(std::span<const FitPoint> points, const LogFit& fit,
                                              const ScoutedLogs& scouted);

/// Scouts, then fits.
[[nodiscard]] std::vector<Parameter> fit_logs(std::span<const FitPoint> points, const LogFit& fit);

}  // namespace moecal::calibration
