// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/coefficients.hpp"
#include "evaluation/public_tables.hpp"
#include "evaluation/task.hpp"

namespace moecal::evaluation {

/// Each card's rows with each phase's sizes held out.
[[nodiscard]] std::vector<Fold> folds_of_sizes(const std::vector<PublicTable>& tables, int phases);

/// Whether a fit is given the rows of the cards that are not scored.
enum class OtherCards { seen, unseen };

/// Each card with all its rows over `group` ranks held out; of the other cards every row or none is
/// seen.
[[nodiscard]] std::vector<Fold> folds_of_group(const std::vector<PublicTable>& tables, int group,
                                               OtherCards others = OtherCards::seen);

/// What `moecal fit --card` makes of a fold's seen rows, point tables included.
[[nodiscard]] calibration::Coefficients fit_seen(const Fold& fold);

/// Coefficients as `moecal predict` would be asked. It throws Error where they have no answer.
[[nodiscard]] Predictor predictor_of(const calibration::Coefficients& coefficients);

}  // namespace moecal::evaluation
