// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "calibration/roofline.hpp"
#include "evaluation/baselines_collective.hpp"

namespace moecal::evaluation {

/// What others do about GEMMs of one card and dtype, fitted to the same seen rows: one efficiency
/// of the peak; roofline and launch; the utilisation of a roofline interpolated between the two
/// nearest points (as aiconfigurator does); log time, linear in log m, n and k through the nearest
/// points. @throws InvalidInput without seen rows.
[[nodiscard]] std::vector<Baseline> baselines_of_gemms(const ObservationFile& seen,
                                                       const calibration::ReferenceRates& rates);

}  // namespace moecal::evaluation
