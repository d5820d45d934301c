// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <utility>
#include <vector>

#include "calibration/fit.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration::synthetic {

inline FitResult fit_all(std::vector<Observation> observations, FitOptions options = {}) {
  const std::vector<ObservationFile> files{file(std::move(observations))};
  return fit(files, options);
}

}  // namespace moecal::calibration::synthetic
