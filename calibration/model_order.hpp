// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "calibration/predict.hpp"

/// Which of the models that match a query answers it. The order is that of best_of(), which gives
/// the reason for each key. Of equals each implementation has a say: in one setting
/// (settings_choice.hpp), at its newest release (releases.hpp), by its table before its compact
/// form; and the fastest of them answers.
namespace moecal::calibration {

using Models = std::vector<const Model*>;

/// Those of the best rank; nothing only of nothing.
[[nodiscard]] Models best_of(Models models, const Query& query);

/// What a call was measured with that the query does not name: not what one gets who sets nothing.
/// Limits and clocks are always something, and so no such thing.
[[nodiscard]] bool is_set_unasked(const Settings& settings, const Query& query);

/// How far a distribution of rows is from uniform, which is what a formula without a word on
/// routing means.
[[nodiscard]] int routing_rank(const std::string& distribution);

}  // namespace moecal::calibration
