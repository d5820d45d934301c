// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/roofline.hpp"

namespace moecal::calibration {

/// The experts of a MoE layer on the busiest rank, or one grouped GEMM:
///   t = t0 + sum over the grouped GEMMs of
///         || (F/P) e1 (1 + ck/k) (1 + ca/(R n)),  ((A + b0)/W) e2 ||_q
///       + (moved/W) e3 + e4 experts + e5 tokens
///   R   1  rows, each expert's padded to tiles: R16^(1-x) R128^x of multiples of 16 and of 128
///   F      2 R n k FLOPs;  A  bytes of the weights of experts that have rows
///   moved  bytes that permute and unpermute read and write (see GroupedInputs)
///   t0  s  launch                        b0  B  bytes' worth of a short call's memory time
///   e1, e2, e3  1  inverse shares of P, W, W        q  1  sharpness of the corner
///   ck  1  k, in elements, at which half of the rate is reached
///   ca  1  elements of the result at which half of the multiprocessors have tiles
///   x   1  tile: 0 rows of 16, 1 rows of 128
///   e4  s  each expert of the rank       e5  s  each token (only of a layer, as e3)
/// P and W as in roofline.hpp. Weak priors keep what the data do not identify physical.
[[nodiscard]] Form grouped_gemms_form();

/// Points this form wants at least.
inline constexpr std::size_t kGroupedGemmsPoints = 24;

/// @throws InvalidInput with fewer than kGroupedGemmsPoints points.
[[nodiscard]] Model fit_grouped_gemms(std::span<const FitPoint> points, const ReferenceRates& rates,
                                      const Model* from = nullptr);

}  // namespace moecal::calibration
