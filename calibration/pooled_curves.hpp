// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/candidates.hpp"

namespace moecal::calibration {

/// Point tables (the form pooled_curve) of curves that were measured at few sizes each: every
/// curve of one library on one system speaks for the others, as far as they are alike
/// (calibration/similarity.hpp). The rows of a table are what a Gaussian process over all of them
/// expects, at each size and at powers of two between the smallest and the largest of any curve.
/// Intervals follow the standard deviation that the process expects at each size: they are
/// calibrated with errors at points left out, in the deviations that were expected of those.
struct PooledCurve {
  const Series* series = nullptr;
  Candidate candidate;
};

/// Whether pooling is for these: curves over one size, of which most have too few points to stand
/// alone.
[[nodiscard]] bool are_sparse(std::span<const Series* const> curves);

/// All of one system and library; their validity is the sizes of any of them. @throws InvalidInput
/// if they have fewer than 2 distinct sizes among them.
[[nodiscard]] std::vector<PooledCurve> fit_pooled_curves(std::span<const Series* const> curves);

/// The series that may speak for one another: collectives of one system, implementation and
/// release, in the order of their ids.
[[nodiscard]] std::vector<std::vector<const Series*>> pools_of(std::span<const Series> series);

}  // namespace moecal::calibration
