// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "core/observation.hpp"

/// What the parts of an operation that is made of others come to, beside the whole.
namespace moecal {

/// Of a product and an exchange that run at once.
struct OverlapFigures {
  double gemm_slowdown = 0;  // its time beside the exchange, over its time alone
  double all_to_all_slowdown = 0;
  /// Of the shorter one: 1 as long as the longer alone, 0 one after the other, below 0 worse.
  double hidden_fraction = 0;
};
/// Nothing if it is no measured `overlap`.
[[nodiscard]] std::optional<OverlapFigures> overlap_figures(const Observation& observation);

/// The medians of all parts, added, over the median of the whole; of an `overlap`, of the two that
/// run alone. Over 1: run back to back, or at once, they cost less. Nothing without parts, or where
/// the whole was cold and one of them was not.
[[nodiscard]] std::optional<double> parts_over_whole(const Observation& observation);
/// The same where one of them was warm: what it is at least, since a warm part takes no longer.
[[nodiscard]] std::optional<double> least_parts_over_whole(const Observation& observation);

}  // namespace moecal
