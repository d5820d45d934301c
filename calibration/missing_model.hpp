// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "calibration/predict.hpp"

namespace moecal::calibration {

/// What there is no model of, and what there are models of: e.g. "no model of permute in f32, tier
/// intra; there are models of: all_reduce, expert_gemm".
[[nodiscard]] std::string missing_model(const Coefficients& coefficients, const Query& query);

}  // namespace moecal::calibration
