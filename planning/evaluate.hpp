// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "planning/claims.hpp"

namespace moecal::planning {

/// One call as it was made while a formula was evaluated, and how much of the value is due to it.
struct RecordedCall {
  CostCall call;
  Cost cost;
  double contribution = 0;  // change of the value, in its unit, per relative change of this cost
};

/// A formula's value with the calls it made, in order.
struct Evaluation {
  double value = 0;  // of no meaning where a call is missing
  std::vector<RecordedCall> calls;
  std::vector<std::string> missing;  // each distinct sentence once
  [[nodiscard]] bool answered() const { return missing.empty(); }
};

/// A value that is not finite is missing where costs made it so.
/// @throws InvalidInput naming the formula if it has no finite value whatever anything costs.
[[nodiscard]] Evaluation evaluate(const Expression& expression, const CostSource& source);

/// Of a value's unit per second: 1e3 of "ms"; absent where the unit is not one of time.
[[nodiscard]] std::optional<double> per_second(const std::string& unit);

/// The names a claim's formulas may use: its document's constants and its own parameters.
[[nodiscard]] Names names_of(const ClaimSet& set, const Document& document, const Claim& claim);

}  // namespace moecal::planning
