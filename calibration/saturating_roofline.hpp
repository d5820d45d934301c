// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/roofline.hpp"

namespace moecal::calibration {

/// A roofline whose arithmetic rate is reached only by large m, n and k, whose memory side has a
/// floor, and whose corner is round:
///   t = t0 + || (F/P) e1 (1 + cm/m)(1 + cn/n)(1 + ck/k),  ((B + b0)/W) e2 ||_q
///   t0  s  launch                       b0  B  bytes' worth of a short call's memory time
///   e1, e2  1  inverse shares of P, W   q   1  sharpness of the corner: 1 adds, infinity is a max
///   cm, cn, ck  1  sizes, in elements, at which half of the rate is reached
/// P and W as in roofline.hpp. Weak priors keep what the data do not identify physical.
[[nodiscard]] Form saturating_roofline_form();

/// Points this form wants at least: with fewer its eight parameters are mostly prior.
inline constexpr std::size_t kSaturatingRooflinePoints = 16;

/// `from`, a fit to more points of the series, is where the search then starts, in the place of
/// several starts. @throws InvalidInput with fewer than kSaturatingRooflinePoints points.
[[nodiscard]] Model fit_saturating_roofline(std::span<const FitPoint> points,
                                            const ReferenceRates& rates,
                                            const Model* from = nullptr);

}  // namespace moecal::calibration
