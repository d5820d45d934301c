// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// How the head of every flat table begins.
inline constexpr char kFlatCsvStart[] = "operation,system,dtype,group";

/// Coefficients as rows a planner reads with one line of anything: one row per series and point,
/// with the predicted seconds and its 90 % interval. Points are a table's sizes, or powers of 2
/// (one number) or 4 (several) within the model's validity; of models of several experts
/// (grouped_gemm, moe_layer), and of any routing, the calls that were measured, by the models' ids:
/// a point and its routing once, whatever its draws.
[[nodiscard]] std::string to_flat_csv(
    const Coefficients& coefficients,
    const std::map<std::string, std::vector<MeasuredCall>>& calls = {});

}  // namespace moecal::calibration
