// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// Points that cover what a model is valid for: a table's sizes, or powers of 2 (of one number) or
/// of 4 (of several) and both ends. None of the experts of a layer or of an exchange with them:
/// their numbers divide each other, and few combinations of them are a layer that somebody would
/// run.
[[nodiscard]] std::vector<Point> probe_points(const Model& model);

}  // namespace moecal::calibration
