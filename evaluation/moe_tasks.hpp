// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/conformal.hpp"
#include "calibration/roofline.hpp"
#include "evaluation/public_tables.hpp"
#include "evaluation/task.hpp"

namespace moecal::evaluation {

/// Rows of MoE layers of one card and dtype, divided.
struct LayerFold {
  std::string card, dtype;
  calibration::ReferenceRates rates;
  std::vector<calibration::FitPoint> seen;  // all that a fit is given
  std::vector<int> parts;                   // of seen: held out together to calibrate intervals
  std::vector<calibration::FitPoint> unseen;
};

/// Whole configurations held out by their fold; intervals are calibrated on the other folds.
[[nodiscard]] std::vector<LayerFold> folds_of_configurations(const std::vector<PublicTable>& tables,
                                                             int folds);
/// Each model held out in turn; intervals are calibrated on the other models.
[[nodiscard]] std::vector<LayerFold> folds_of_models(const std::vector<PublicTable>& tables);

/// moecal's form, with its interval's quantiles.
[[nodiscard]] calibration::Model fit_layers(const LayerFold& fold);

}  // namespace moecal::evaluation
