// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <utility>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// The narrowest and the widest half-width of log time that a prediction by the model has inside
/// what was measured: of each regime, and of a curve at its sizes, in the middle of each gap and at
/// each switch. Nothing of a model that was not calibrated.
[[nodiscard]] std::optional<std::pair<double, double>> half_width_range(const Model& model);

}  // namespace moecal::calibration
