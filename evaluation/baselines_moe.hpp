// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "calibration/roofline.hpp"

namespace moecal::evaluation {

/// What others do for a MoE layer, fitted to the seen rows; none makes an interval.
struct LayerBaseline {
  std::string name;  // "baseline: ..."
  std::function<double(const calibration::Inputs&)> seconds;
};

/// Flat efficiency of the arithmetic; two dense GEMMs and the permutation's bytes, each at the
/// card's rates, times one factor; a fitted roofline; utilisation of the 2 nearest seen rows.
[[nodiscard]] std::vector<LayerBaseline> baselines_of_layers(
    const std::vector<calibration::FitPoint>& seen, const calibration::ReferenceRates& rates);

}  // namespace moecal::evaluation
