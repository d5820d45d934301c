// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "calibration/conformal.hpp"

namespace moecal::calibration {

/// A form chosen among several, with the errors of the whole procedure, its choosing included.
struct NestedChoice {
  std::size_t form = 0;           // index into the forms, chosen on all folds
  std::vector<HeldOut> held_out;  // each fold predicted by a form that was chosen without it
};

/// Forms go from the plainest to the richest; a richer one must be clearly better on held-out
/// points. An error that chose its form would be too small for an interval: so the form that
/// predicts a fold is chosen by the errors that the other folds have in fits without both.
[[nodiscard]] NestedChoice choose_nested(std::span<const FitPoint> points,
                                         std::span<const int> fold_of,
                                         std::span<const FitFunction> forms);

}  // namespace moecal::calibration
