// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "planning/check.hpp"

namespace moecal::planning {

/// A number with at most five significant digits, as people write it: 31.298, 2e+10, -8.4557.
[[nodiscard]] std::string number_text(double value);

/// What a finding says, in one line: "arithmetic: 25+25+0+2*10 = 70 GB, the document has 100".
[[nodiscard]] std::string explain(const FindingResult& result);

/// Why the claim has its verdict, in one line; where unmeasured, what is missing.
[[nodiscard]] std::string explain(const ClaimResult& result);

}  // namespace moecal::planning
