// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "calibration/conformal.hpp"
#include "calibration/transfer_pool.hpp"

/// Which cards speak for another, and how wrong they are about each other.
namespace moecal::calibration {

struct DonorChoice {
  Evidences donors;
  bool of_class = false;  // of the target's own
};
/// Cards of the target's class where there are any, else all.
[[nodiscard]] DonorChoice choose_donors(const Evidences& all, const Card& target);

/// What a transfer gets wrong about one card that is left out.
struct CardErrors {
  std::vector<HeldOut> held_out;
  std::vector<double> half_widths;  // how well the card itself is known there
};
/// For a target of the donors' class, from the others of it; else from cards of other classes.
[[nodiscard]] std::vector<CardErrors> errors_between(const DonorChoice& choice, TransferKind kind);

/// By size regime. Where no card could be left out, or the target is of another class than all
/// donors, what transfer.hpp assumes.
[[nodiscard]] std::vector<ResidualQuantile> transfer_widths(const std::vector<CardErrors>& cards,
                                                            Family family, bool of_class);

}  // namespace moecal::calibration
