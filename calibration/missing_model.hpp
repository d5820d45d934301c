// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "calibration/predict.hpp"

namespace moecal::calibration {

/// What there is no model of, which of its conditions no model meets, and what the models have
/// instead: e.g. "no model of all_reduce over 16 ranks, tier intra; group 16: the models have 2, 4,
/// 8"; where the operation has none at all, what there are models of.
[[nodiscard]] std::string missing_model(const Coefficients& coefficients, const Query& query);

}  // namespace moecal::calibration
