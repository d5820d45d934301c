// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// Half-width in log time of what the next run may lie off by: held-out points of the same runs do
/// not know it where runs differ as wholes. 0 where runs were not told apart.
[[nodiscard]] double run_doubt(const VarianceComponents& variance);

}  // namespace moecal::calibration
