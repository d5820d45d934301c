// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>
#include <vector>

#include "planning/claims.hpp"

namespace moecal::planning {

/// From best to worst, except the last: an unfalsifiable claim has no other verdict.
enum class Verdict {
  holds,             // the value, with its tolerance, meets what was computed or measured
  unmeasured,        // possible as far as the hardware goes; names the missing measurement
  ambiguous,         // readings disagree, or a decisive input is not stated
  refuted,           // outside the 90 % interval of the prediction
  contradicted,      // by the document's own arithmetic or statements
  below_floor,       // less than the hardware can do
  exceeds_hardware,  // more than there is of it
  unfalsifiable      // no checkable content
};

[[nodiscard]] std::string_view to_string(Verdict verdict);
[[nodiscard]] const std::vector<Verdict>& all_verdicts();

/// A 90 % interval.
struct Interval {
  double lo = 0, hi = 0;
};

/// Does the claimed value agree with the computed number? Strict comparators take no tolerance; a
/// range is its own tolerance.
[[nodiscard]] bool agrees(const Comparison& claimed, double computed);

/// Does the claimed value, with its tolerance, meet the interval?
[[nodiscard]] bool meets(const Comparison& claimed, const Interval& interval);

}  // namespace moecal::planning
