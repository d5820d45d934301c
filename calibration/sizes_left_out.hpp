// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "calibration/conformal.hpp"
#include "calibration/series.hpp"

namespace moecal::calibration {

/// Errors of a series of any routing where `held_out` left out its routings, and so left every size
/// in: of each point the worse of that and of its error with its size left out.
[[nodiscard]] std::vector<HeldOut> with_sizes_left_out(const Series& series,
                                                       std::vector<HeldOut> held_out,
                                                       const FitFunction& fit);

}  // namespace moecal::calibration
