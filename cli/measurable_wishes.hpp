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

/// A call that was wished for, and why a machine cannot make it.
struct DroppedWish {
  std::string call;
  std::string reason;
};

/// Takes out calls whose group is larger than a node of that card though it is to stay within one,
/// and collectives whose buffers take more than half its memory; and says over how many nodes the
/// others go. A card without a spec sheet, or an unknown figure of it, takes nothing out.
/// @throws InvalidInput with the first reason where no wish is left.
[[nodiscard]] std::vector<DroppedWish> drop_what_does_not_fit(
    std::vector<calibration::Wish>& wishes, const std::string& card);

}  // namespace moecal::cli
