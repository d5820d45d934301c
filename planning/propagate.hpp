// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include "planning/evaluate.hpp"
#include "planning/verdict.hpp"

namespace moecal::planning {

inline constexpr int kDraws = 4000;

/// The formula's value under kDraws draws of its costs' errors, by fixed-seed Monte Carlo.
///
/// Each cost is lognormal with its 90 % interval. Its error is the sum of named factors: one shared
/// by the whole system, one by all models of an operation, one by all uses of a model, and one of
/// the call itself. Equal names draw equal numbers, in every formula, so what two costs share
/// cancels in their ratio and difference.
[[nodiscard]] std::vector<double> draw_values(const Expression& expression,
                                              const std::vector<RecordedCall>& calls);

/// One cost under kDraws draws of the same factors. What is the machine's (its system, models and
/// calls) is drawn by the machine's name: costs of two machines have in common what their
/// operations have, unless they are transferred: that error is not of the measuring.
[[nodiscard]] std::vector<double> draw_cost(const Cost& cost, const std::string& call,
                                            const std::string& machine);

/// The 5 % and 95 % quantiles; absent where the draws divide by what may vanish: they then bound
/// nothing.
[[nodiscard]] std::optional<Interval> interval_of(const std::vector<double>& draws);

}  // namespace moecal::planning
