// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "calibration/predict.hpp"
#include "core/point.hpp"

namespace moecal::calibration {

/// A prediction while it is being made, in log time.
struct Draft {
  double seconds = 0;
  double half_width = 0;
  std::vector<std::string> flags;
};

/// What a call is in: the dtype asked for, also where another that was measured stands in for it. A
/// model whose dtype was not recorded answers as it was measured.
[[nodiscard]] Dtypes dtypes_asked(const Conditions& measured, const Query& query);

/// What one model says of a query, with everything that widens its interval.
[[nodiscard]] Draft draft_of(const Model& model, const Query& query);

/// Null where nothing was calibrated.
[[nodiscard]] const ResidualQuantile* regime_of(std::span<const ResidualQuantile> quantiles,
                                                double size);

/// The half-width that was calibrated for a size, and what is to be said of it.
void add_interval(Draft& draft, std::span<const ResidualQuantile> quantiles, double size);

/// Of three digits, for a flag.
[[nodiscard]] std::string number(double value);

}  // namespace moecal::calibration
