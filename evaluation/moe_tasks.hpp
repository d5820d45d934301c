// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/coefficients.hpp"
#include "calibration/roofline.hpp"
#include "evaluation/public_tables.hpp"
#include "evaluation/task.hpp"

namespace moecal::evaluation {

/// Rows of MoE layers of one card and dtype, divided.
struct LayerFold {
  std::string card, dtype;
  calibration::ReferenceRates rates;
  Fold rows;
  /// The same rows as the baselines take them.
  std::vector<calibration::FitPoint> seen, unseen;
};

/// Whole configurations held out by their fold.
[[nodiscard]] std::vector<LayerFold> folds_of_configurations(const std::vector<PublicTable>& tables,
                                                             int folds);
/// Each model held out in turn.
[[nodiscard]] std::vector<LayerFold> folds_of_models(const std::vector<PublicTable>& tables);

/// What `moecal fit` makes of the rows that are seen.
[[nodiscard]] calibration::Model fit_layers(const LayerFold& fold);

}  // namespace moecal::evaluation
