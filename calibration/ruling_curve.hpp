// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>
#include <vector>

#include "calibration/series.hpp"

namespace moecal::calibration {

/// Of a series of any routing (bytes that rule, seconds), ascending, of one routing: the one with
/// most points, of those the most even. Between routings a model's error would look like a step in
/// size.
[[nodiscard]] std::vector<std::pair<double, double>> ruling_curve(const Series& series,
                                                                  const Model& model);

}  // namespace moecal::calibration
