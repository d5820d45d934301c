// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/suggest.hpp"

namespace moecal::cli {

/// Takes out what none of these operations' benchmark programs can measure, and says what that was:
/// "attention (2), foo (1)"; empty: nothing.
/// @throws InvalidInput naming it where no wish is left.
[[nodiscard]] std::string drop_unmeasurable(std::vector<calibration::Wish>& wishes,
                                            std::span<const std::string_view> operations);

}  // namespace moecal::cli
