// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/coefficients.hpp"
#include "evaluation/public_tables.hpp"
#include "evaluation/task.hpp"

namespace moecal::evaluation {

/// Whole configurations (hidden, top_k, experts) of exchanges with experts, held out by their fold.
[[nodiscard]] std::vector<Fold> folds_of_exchanges(const std::vector<PublicTable>& tables,
                                                   int folds);

/// moecal's forms of the rows that are seen.
[[nodiscard]] calibration::Coefficients fit_exchanges(const Fold& fold);

}  // namespace moecal::evaluation
