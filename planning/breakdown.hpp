// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "planning/check.hpp"

namespace moecal::planning {

/// What one operation contributes to a value.
struct OperationShare {
  std::string operation;
  double calls = 0;  // times it is called, where the value is a time; else its terms in the formula
  double seconds = 0;  // of those calls
  double share = 0;    // of the value; shares of a sum add up to 1, a divisor's is negative
  std::vector<std::string> models;  // ids
  std::vector<std::string> flags;
};

/// By operation, in the order of first use. Empty where a call is missing.
[[nodiscard]] std::vector<OperationShare> breakdown(const ReadingResult& reading,
                                                    const std::string& unit);

/// A number to use instead of the document's.
struct Replacement {
  double value = 0;
  std::optional<Interval> interval;
};

/// The prediction where there is one, else what the finding computed that decided against the
/// claim; absent for a claim that holds or of which only that it is wrong is known.
[[nodiscard]] std::optional<Replacement> replacement(const ClaimResult& result);

}  // namespace moecal::planning
