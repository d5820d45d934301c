// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/coefficients.hpp"
#include "calibration/roofline.hpp"
#include "evaluation/public_tables.hpp"
#include "evaluation/task.hpp"

namespace moecal::evaluation {

/// Rows of MoE layers of one card and dtype, and the part that each is held out with.
struct LayerSet {
  std::string card, dtype;
  calibration::ReferenceRates rates;
  ObservationFile rows;
  std::vector<calibration::FitPoint> points;  // the rows as the baselines take them
  std::vector<int> parts;                     // of each row
};

/// Parts are folds of whole configurations.
[[nodiscard]] std::vector<LayerSet> sets_of_configurations(const std::vector<PublicTable>& tables,
                                                           int folds);
/// Each model is a part.
[[nodiscard]] std::vector<LayerSet> sets_of_models(const std::vector<PublicTable>& tables);

/// A set, divided.
struct LayerFold {
  std::string dtype;
  calibration::ReferenceRates rates;
  Fold rows;
  std::vector<calibration::FitPoint> seen, unseen;  // the same rows
};

/// The set without one of its parts.
[[nodiscard]] LayerFold fold_without(const LayerSet& set, int part);
/// Each part unseen in turn.
[[nodiscard]] std::vector<LayerFold> folds_of(const std::vector<LayerSet>& sets);

/// What `moecal fit` makes of the rows that are seen.
[[nodiscard]] calibration::Coefficients fit_layers(const LayerFold& fold);

}  // namespace moecal::evaluation
