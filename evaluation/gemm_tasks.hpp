// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/coefficients.hpp"
#include "evaluation/public_tables.hpp"
#include "evaluation/task.hpp"

namespace moecal::evaluation {

/// The GEMMs of one card and dtype.
struct GemmSet {
  std::string card, dtype;
  ObservationFile rows;
};
[[nodiscard]] std::vector<GemmSet> gemm_sets(const std::vector<PublicTable>& tables);

/// Whole (n, k) pairs are unseen: those whose key "n,k" falls in the fold.
[[nodiscard]] Fold fold_of_pairs(const GemmSet& set, int fold, int folds);

/// Of a fold's seen rows only those `points` with the least SHA-256 of "m,n,k,fold".
[[nodiscard]] Fold with_few_rows(Fold fold, int number, int points);

/// What `moecal fit` makes of a fold's seen rows. @throws Error if that is not one model.
[[nodiscard]] calibration::Model fit_gemms(const Fold& fold);

/// The model as compact coefficients hold it.
[[nodiscard]] calibration::Model without_residual(calibration::Model model);

}  // namespace moecal::evaluation
